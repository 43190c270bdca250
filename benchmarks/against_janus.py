"""CPU per packet of a node beside Janus's: same bursts, same viewers, in turn.

    python -m benchmarks.against_janus [--short] [--json]

At a low load, and for each at the highest rate which it takes without loss. Janus is Debian's, installed where root
can; its VideoRoom runs on one event loop. Everything happens in a network namespace of its own, because libnice takes
no notice of loopback. Publisher and viewers are the raw clients of `swarm.bench.load`; they offer AES-128-GCM alone.
"""

import asyncio
import sys

import click
import uvloop

from benchmarks.peers.comparing import Load, compare
from benchmarks.peers.janus import janus, missing
from benchmarks.peers.namespace import inside, run_inside
from benchmarks.peers.report import show
from benchmarks.peers.server import RECEIVE, Receive
from benchmarks.peers.swarmd import swarmd

RATIO_WANTED = 1 / 5


@click.command()
@click.option("--viewers", default=100, show_default=True, help="At the low load; twice as many at the highest.")
@click.option("--packets-per-frame", default=12, show_default=True, help="Likewise.")
@click.option("--frames", default=15.0, show_default=True, help="Per second, at the low load.")
@click.option("--seconds", default=5.0, show_default=True, help="Of each of the interleaved runs.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--receive", type=click.Choice(RECEIVE), default="kernel", show_default=True, help="What viewers do.")
@click.option("--short", is_flag=True, help="A quick look: fewer viewers, one short round.")
@click.option("--json", "as_json", is_flag=True)
def main(
    viewers: int,
    packets_per_frame: int,
    frames: float,
    seconds: float,
    rounds: int,
    receive: Receive,
    short: bool,
    as_json: bool,
) -> None:
    """Prints µs per packet of both servers and their ratio."""
    if not inside():
        if reason := asyncio.run(missing()):
            show({"skipped": f"Janus cannot run here: {reason}"}, as_json)
            return
        sys.exit(run_inside(["benchmarks.against_janus", *sys.argv[1:]]))
    shape = (viewers, packets_per_frame, frames, 2 * viewers, 2 * packets_per_frame)
    load = Load(*shape, receive, seconds=seconds, rounds=rounds)
    result = uvloop.run(compare(swarmd, janus, load.short() if short else load, RATIO_WANTED))
    show({"against": "Janus, VideoRoom, event_loops=1", **result}, as_json)


if __name__ == "__main__":
    main()
