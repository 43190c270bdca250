"""From what was measured to what an operator wants to know. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

_busy_share = 0.9
"""Of a core: a load process above it may have been late, so that it and not the node set the pace."""

_late_ratio = 1.05
"""Of the time a load was to take."""

_heavy_share = 0.5
"""Of a core: far from idle, where the cost of a packet is that of waking up, and from where queues grow."""

_heavy_frames_factor_max = 8
"""Of the frames of the heavy load: 240 pictures a second are more than any camera's."""

_lost_share_max = 0.005
"""Below it losses are those of a moment; players conceal them."""


@dataclass(frozen=True, slots=True)
class Load:
    """What the publisher sends: frames of equal packets (RTP bytes, without SRTP's tag)."""

    name: str
    packets_per_frame: int
    packet_bytes: int
    frames_per_second: int

    @property
    def bits_per_second(self) -> int:
        """Of one viewer's stream, RTP bytes."""
        return 8 * self.packet_bytes * self.packets_per_frame * self.frames_per_second


@dataclass(frozen=True, slots=True)
class Joined:
    """Viewers that joined as fast as they could."""

    viewers: int
    seconds: float
    node_cpu_seconds: float
    node_megabytes: float
    """By which the node grew meanwhile, resident."""


@dataclass(frozen=True, slots=True)
class Carried:
    """One load while all viewers watched."""

    load: Load
    viewers: int
    asked_seconds: float
    seconds: float
    node_cpu_seconds: float
    load_cpu_share: float
    """Of the load process that worked most, of one core."""
    packets_sent: int
    """By the publisher."""
    packets_arrived: int
    """At all viewers."""

    @property
    def lost_share(self) -> float:
        """Of what all viewers should have got; 0 when they got more, which is the node repeating for late joiners."""
        expected = self.packets_sent * self.viewers
        return max(0.0, 1 - self.packets_arrived / expected) if expected else 1.0

    @property
    def packets_per_core_second(self) -> float:
        """Packets that left the node per second of its CPU time."""
        return self.packets_arrived / self.node_cpu_seconds

    @property
    def viewers_per_core(self) -> float:
        """Of this load, if each costs what it cost here."""
        served = self.viewers * (1 - self.lost_share)
        return served * self.seconds / self.node_cpu_seconds


def heavier(load: Load, lighter: Carried) -> Load:
    """The load with so many frames a second that the node is about half busy, as far as a lighter one lets expect."""
    packets = load.packets_per_frame * load.frames_per_second * lighter.viewers
    share = packets * lighter.node_cpu_seconds / max(1, lighter.packets_arrived)
    factor = min(max(1.0, _heavy_share / share), _heavy_frames_factor_max)
    return replace(load, frames_per_second=round(load.frames_per_second * factor))


def figures(joined: Joined, heavy: Carried, streams: Sequence[Carried]) -> dict[str, Any]:
    """The JSON of `swarmd bench`: `heavy` is what the packets per second come from, `streams` are viewers' bitrates."""
    return {
        "packets_per_second_per_core": round(heavy.packets_per_core_second),
        "mbit_per_second_per_core": round(heavy.packets_per_core_second * heavy.load.packet_bytes * 8 / 1e6),
        "viewers_per_core": {carried.load.name: round(carried.viewers_per_core) for carried in streams},
        "joins_per_second_per_core": round(joined.viewers / joined.node_cpu_seconds, 1),
        "kilobytes_per_viewer": round(1024 * joined.node_megabytes / joined.viewers, 1),
        "viewers": heavy.viewers,
        "joins_per_second_seen": round(joined.viewers / joined.seconds, 1),
        "loads": [_load(carried) for carried in (*streams, heavy)],
        "saturated": any(_saturated(carried) for carried in (*streams, heavy)),
        "notes": [note for carried in (*streams, heavy) for note in _notes(carried)],
    }


def _load(carried: Carried) -> dict[str, Any]:
    return {
        "name": carried.load.name,
        "stream_kbit_per_second": round(carried.load.bits_per_second / 1000),
        "packets_per_second": round(carried.packets_arrived / carried.seconds),
        "node_cpu_percent": round(100 * carried.node_cpu_seconds / carried.seconds, 1),
        "us_per_packet": round(1e6 / carried.packets_per_core_second, 2) if carried.packets_arrived else None,
        "lost_percent": round(100 * carried.lost_share, 3),
        "load_cpu_percent": round(100 * carried.load_cpu_share, 1),
    }


def _saturated(carried: Carried) -> bool:
    in_time = carried.asked_seconds + 1 / carried.load.frames_per_second
    return carried.load_cpu_share >= _busy_share or carried.seconds > _late_ratio * in_time


def _notes(carried: Carried) -> list[str]:
    notes = []
    if _saturated(carried):
        notes.append(
            f"{carried.load.name}: the load generator was at its limit ({100 * carried.load_cpu_share:.0f}% of a core, "
            f"{carried.seconds:.2f} s for what should take {carried.asked_seconds:.2f} s): the node may carry more"
        )
    if carried.lost_share > _lost_share_max:
        notes.append(
            f"{carried.load.name}: {100 * carried.lost_share:.1f}% of the packets did not arrive: "
            "node and load generator together are too much for this machine, give fewer --viewers"
        )
    return notes
