"""CPU per packet of a node beside a bare Python loop with the same cryptography and the same sends, and nothing else.

    python -m benchmarks.bare_loop [--viewers 200] [--packets-per-frame 12] [--frames 30] [--short] [--json]

The loop is a process of its own: per frame and destination one copy, a header and `srtp_protect` for each packet, one
`sendmsg` with `UDP_SEGMENT`. It knows no publisher, session, report or event loop, and its keys are made up. It wakes
as often as the node does; flat out, with warm caches, it shows what the machine could do at most. Runs are interleaved.
"""

import asyncio
import json
import os
import socket
import struct
import sys
import time
from contextlib import AsyncExitStack
from typing import Any

import click
import uvloop
from pylibsrtp import Policy, Session
from pylibsrtp._binding import ffi, lib

from benchmarks.peers.comparing import window
from benchmarks.peers.server import stage
from benchmarks.peers.swarmd import swarmd
from media.srtp import AES_128_GCM, SendBuffer
from swarm.bench.kernel_count import refuse_rtp
from swarm.bench.load import open_socket

PACKETS_PER_SECOND_WANTED = 300_000
SHARE_WANTED = 0.5
_SOL_UDP, _UDP_SEGMENT = 17, 103
_LOOP_SECONDS_MAX = 60.0


@click.command()
@click.option("--viewers", default=200, show_default=True)
@click.option("--packets-per-frame", default=12, show_default=True)
@click.option("--frames", default=30.0, show_default=True, help="Per second.")
@click.option("--bytes", "packet_bytes", default=1200, show_default=True, help="RTP packet, without SRTP's tag.")
@click.option("--seconds", default=5.0, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--short", is_flag=True, help="A quick look: one short round.")
@click.option("--json", "as_json", is_flag=True)
@click.option("--loop", "is_loop", is_flag=True, hidden=True)
def main(
    viewers: int,
    packets_per_frame: int,
    frames: float,
    packet_bytes: int,
    seconds: float,
    rounds: int,
    short: bool,
    as_json: bool,
    is_loop: bool,
) -> None:
    """Prints µs per packet of both, packets per second and core, and the node's share of the loop's."""
    if is_loop:
        print(run_loop(json.loads(sys.stdin.read())))
        return
    if short:
        seconds, rounds = 1.5, 1
    result = uvloop.run(measure(viewers, packets_per_frame, packet_bytes, frames, seconds, rounds))
    if as_json:
        click.echo(json.dumps(result))
        return
    for name, value in result.items():
        click.echo(f"{name:36} {value}")


async def measure(
    viewers: int, per_frame: int, packet_bytes: int, frames: float, seconds: float, rounds: int
) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(swarmd(viewers))
        place = await stack.enter_async_context(stage(server, viewers, per_frame, packet_bytes, "kernel"))
        sinks = [stack.enter_context(open_socket("127.0.0.1")) for _ in range(viewers)]
        for sink in sinks:
            refuse_rtp(sink)
        task = {
            "ports": [sink.getsockname()[1] for sink in sinks],
            "packets": per_frame,
            "bytes": packet_bytes,
            "frames": frames,
            "seconds": seconds,
        }
        cpu, arrived, paced, flat_out = 0.0, 0, [], []
        for _ in range(rounds):
            measured = await window(place, frames, seconds)
            cpu, arrived = cpu + measured.cpu_seconds, arrived + measured.arrived
            paced.append(await loop_process(task))
            flat_out.append(await loop_process({**task, "frames": None}))
    node, bare, best = 1e6 * cpu / arrived, sum(paced) / rounds, sum(flat_out) / rounds
    return {
        "node_us_per_packet": round(node, 2),
        "node_packets_per_second_and_core": round(1e6 / node),
        "node_wanted": PACKETS_PER_SECOND_WANTED,
        "loop_us_per_packet": round(bare, 2),
        "loop_flat_out_us_per_packet": round(best, 2),
        "share_of_loop": round(bare / node, 3),
        "share_of_loop_flat_out": round(best / node, 3),
        "share_wanted": SHARE_WANTED,
    }


async def loop_process(task: dict[str, Any]) -> float:
    """Runs the loop in a process; µs of its CPU per packet."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.bare_loop", "--loop"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(json.dumps(task).encode()), _LOOP_SECONDS_MAX)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return float(said)


def run_loop(task: dict[str, Any]) -> float:
    """The loop itself: at `frames` per second, or one after the other when that is None."""
    ports, packets, packet_bytes, frames = task["ports"], task["packets"], task["bytes"], task["frames"]
    protected_bytes = packet_bytes + AES_128_GCM.tag_bytes
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    buffer, image = SendBuffer(), bytearray(os.urandom(packets * protected_bytes))
    for index in range(packets):
        image[index * protected_bytes : index * protected_bytes + 2] = b"\x80\x60"
    places = [(buffer.cdata + index * protected_bytes, index * protected_bytes + 2) for index in range(packets)]
    whole = buffer.view[: len(image)]
    ancillary = [(_SOL_UDP, _UDP_SEGMENT, struct.pack("=H", protected_bytes))]
    length, write_header, protect = ffi.new("int *"), struct.Struct("!HII").pack_into, lib.srtp_protect
    sessions = [_session() for _ in ports]
    destinations = [
        (session._srtp[0], ssrc, ("127.0.0.1", port))
        for ssrc, (session, port) in enumerate(zip(sessions, ports, strict=True))
    ]
    sent, frame, started, cpu = 0, 0, time.monotonic(), time.process_time()
    while (now := time.monotonic() - started) < task["seconds"]:
        if frames is not None:
            time.sleep(max(0.0, frame / frames - now))
        sequence, timestamp = frame * packets, frame * 3000
        for session, ssrc, address in destinations:
            whole[:] = image
            for number, (place, offset) in enumerate(places, sequence):
                write_header(whole, offset, number & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)
                length[0] = packet_bytes
                protect(session, place, length)
            sender.sendmsg((whole,), ancillary, 0, address)
        frame += 1
        sent += packets * len(ports)
    burnt = time.process_time() - cpu
    sender.close()
    return 1e6 * burnt / sent


def _session() -> Session:
    key = os.urandom(AES_128_GCM.key_bytes + AES_128_GCM.salt_bytes)
    return Session(Policy(key=key, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=AES_128_GCM.libsrtp))


if __name__ == "__main__":
    main()
