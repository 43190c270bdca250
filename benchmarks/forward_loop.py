"""CPU of the packet path alone: bursts of one source to many consumers over loopback, no publisher, no event loop.

python -m benchmarks.forward_loop [--consumers 200] [--packets 12] [--bytes 1200] [--bursts 500] [--profile sha1]
"""

import os
import random
import resource
import socket
from typing import Any

import click

from media.burst import Burst
from media.consumer_track import ConsumerTrack
from media.counters import Counters
from media.fanout import Fanout
from media.forward import Forwarder
from media.parameters import Codec, TrackParameters
from media.port import UdpPort
from media.rtp import parse_header
from media.srtp import AES_128_CM_SHA1_80, AES_128_GCM, AES_256_GCM, SendBuffer, Srtp, SrtpKeys

PROFILES = {"gcm128": AES_128_GCM, "gcm256": AES_256_GCM, "sha1": AES_128_CM_SHA1_80}

WARM_UP_BURSTS = 20


class Receiver:
    """A destination whose socket takes the datagrams and throws them away when its small buffer is full."""

    def __init__(self, port: UdpPort, profile: str) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.bind(("127.0.0.1", 0))
        self.sockaddr: tuple[Any, ...] | None = port.sockaddr(self.socket.getsockname())
        self.srtp: Srtp | None = Srtp(SrtpKeys(PROFILES[profile], os.urandom(46), os.urandom(46)))


@click.command()
@click.option("--consumers", default=200, show_default=True)
@click.option("--packets", default=12, show_default=True, help="Per burst.")
@click.option("--bytes", "packet_bytes", default=1200, show_default=True)
@click.option("--bursts", default=500, show_default=True)
@click.option("--profile", type=click.Choice(sorted(PROFILES)), default="gcm128", show_default=True)
def main(consumers: int, packets: int, packet_bytes: int, bursts: int, profile: str) -> None:
    """Prints the CPU time per packet sent."""
    port = UdpPort.open("127.0.0.1", 0)
    counters = Counters()
    fanout = Fanout(Forwarder(port, SendBuffer(), counters))
    track = TrackParameters("video", "0", Codec("video/VP8", 90000, None, 96), ssrc=1)
    receivers = [Receiver(port, profile) for _ in range(consumers)]
    rng = random.Random(1)
    for number, receiver in enumerate(receivers):
        member = ConsumerTrack(track, track.with_ssrc(number + 2), False, rng.getrandbits(15))
        member.connect(receiver)
        fanout.add(member)
    for number in range(WARM_UP_BURSTS):
        fanout.forward(make_burst(number, packets, packet_bytes))
    before, sent = cpu_seconds(), counters.packets_forwarded
    for number in range(WARM_UP_BURSTS, WARM_UP_BURSTS + bursts):
        fanout.forward(make_burst(number, packets, packet_bytes))
    seconds, sent = cpu_seconds() - before, counters.packets_forwarded - sent
    print(f"{1e6 * seconds / sent:.2f} µs per packet, {sent} packets, {counters.packets_unsent} unsent")
    for receiver in receivers:
        receiver.socket.close()
    port.close()


def make_burst(number: int, packets: int, packet_bytes: int) -> Burst:
    """Packets of one frame: VP8 by name only, as nothing looks at the payload here."""
    burst = Burst(number / 30)
    payload = bytes(packet_bytes - 12)
    for at in range(packets):
        sequence = number * packets + at
        fixed = (sequence & 0xFFFF).to_bytes(2, "big") + (number * 3000).to_bytes(4, "big") + b"\0\0\0\1"
        packet = b"\x80\x60" + fixed + payload
        burst.add(packet, parse_header(packet), sequence, at == 0)
    return burst


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
