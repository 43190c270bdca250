"""CPU per packet of a node beside mediasoup's: same bursts, same viewers, same cipher, in turn.

    python -m benchmarks.against_mediasoup [--short] [--json]

At a low load, and for each at the highest rate which it takes without loss. Publisher and viewers are the raw clients
of `swarm.bench.load`; they offer AES-128-GCM alone, and send receiver reports once a second. mediasoup is installed by
npm into the user's cache; its worker process is measured, Node is not.
"""

import click
import uvloop

from benchmarks.peers.comparing import Load, compare
from benchmarks.peers.mediasoup import PACKAGE, mediasoup, missing
from benchmarks.peers.report import show
from benchmarks.peers.server import RECEIVE, Receive
from benchmarks.peers.swarmd import swarmd

RATIO_WANTED = 1 / 3


@click.command()
@click.option("--viewers", default=200, show_default=True, help="At the low load; twice as many at the highest.")
@click.option("--packets-per-frame", default=12, show_default=True, help="Likewise.")
@click.option("--frames", default=30.0, show_default=True, help="Per second, at the low load.")
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
    if reason := missing():
        show({"skipped": f"mediasoup cannot run here: {reason}"}, as_json)
        return
    shape = (viewers, packets_per_frame, frames, 2 * viewers, 2 * packets_per_frame)
    load = Load(*shape, receive, seconds=seconds, rounds=rounds)
    result = uvloop.run(compare(swarmd, mediasoup, load.short() if short else load, RATIO_WANTED))
    show({"against": PACKAGE, **result}, as_json)


if __name__ == "__main__":
    main()
