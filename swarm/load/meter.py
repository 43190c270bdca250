"""What sending costs this node: counters in, smoothed measures and the copies they leave room for out. Sans-IO."""

import math
from dataclasses import dataclass, field

from foundation import limits
from swarm.load.capacity import Capacity
from swarm.policy import Measured

_assumed_bps = 2.5e6
_assumed_packets_per_second = 260.0
"""Of a copy that nothing is known of: a viewer of 720p."""

_assumed_copies = 4
"""Weight of that assumption: with a handful of viewers measured it is overruled."""

_cost_floor = 0.1
"""Of what is assumed: copies of a muted stream cost nothing, and will not stay so."""

_free_again = {"packets": 0.9, "egress": 0.9, "cpu": 0.85, "lag": 0.5, "blocked": 0.1}
"""Of its limit, below which a busy measure is free again: one viewer who leaves must not make room for a herd."""

_slots_changed = 0.1
"""Share by which slots must change to be news."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What is read at one moment. The first three and the CPU time only grow; copies are what is sent now."""

    sent: int
    """Datagrams."""
    sent_bytes: int
    blocked: int
    """Datagrams for which socket or network device had no room."""
    cpu_seconds: float
    """Of the thread that forwards."""
    lag_seconds: float
    """By which timers were late since the last sample, on average."""
    copies: int


@dataclass(slots=True)
class _Smoothed:
    """First-order means over `load_smoothing_seconds`, from nothing: a start under load is no emergency."""

    packets_per_second: float = 0.0
    egress_bps: float = 0.0
    cpu: float = 0.0
    lag_seconds: float = 0.0
    blocked: float = 0.0
    """Share of the datagrams."""

    def take(self, weight: float, **values: float) -> None:
        for name, value in values.items():
            setattr(self, name, getattr(self, name) + weight * (value - getattr(self, name)))


@dataclass
class LoadMeter:
    """Give it a sample about once a second; what it says holds until the next."""

    capacity: Capacity
    _means: _Smoothed = field(default_factory=_Smoothed)
    _last: Sample | None = None
    _at: float = 0.0
    _busy: frozenset[str] = frozenset()
    _slots: int | None = None
    _costs: dict[str, float] = field(init=False)
    """Shares of each limit that one copy takes."""
    _measured: Measured = field(default_factory=Measured)

    def __post_init__(self) -> None:
        self._costs = self._assumed()

    def sample(self, sample: Sample, now: float) -> Measured:
        """`now` is seconds of a clock that should not jump; over a jump nothing is measured."""
        last, elapsed = self._last, now - self._at
        if last is not None and 0 <= elapsed < limits.load_sample_seconds_min:
            return self._measured
        self._last, self._at = sample, now
        if last is not None:
            if not 0 < elapsed <= limits.load_sample_seconds_max or _restarted(sample, last):
                return self._measured
            self._take(sample, last, elapsed)
        self._judge(sample.copies)
        return self._measured

    def _take(self, sample: Sample, last: Sample, elapsed: float) -> None:
        sent, blocked = sample.sent - last.sent, sample.blocked - last.blocked
        packets = sent / elapsed
        bps = 8 * (sample.sent_bytes - last.sent_bytes) / elapsed
        cpu = (sample.cpu_seconds - last.cpu_seconds) / elapsed
        self._means.take(
            1 - math.exp(-elapsed / limits.load_smoothing_seconds),
            packets_per_second=packets,
            egress_bps=bps,
            cpu=cpu,
            lag_seconds=max(0.0, sample.lag_seconds),
            blocked=blocked / (sent + blocked) if blocked else 0.0,
        )
        capacity = self.capacity
        shares = {
            "packets": packets / capacity.packets_per_second,
            "egress": bps / capacity.egress_bps,
            "cpu": cpu / capacity.cpu,
        }
        self._learn(shares, sample.copies, elapsed)

    def _judge(self, copies: int) -> None:
        means, shares = self._means, self._shares()
        self._busy = frozenset(
            name for name, share in shares.items() if share >= (_free_again[name] if name in self._busy else 1.0)
        )
        slots = self._fitting(shares, copies)
        if self._news(slots, copies):
            self._slots = slots
        self._measured = Measured(
            means.egress_bps,
            means.packets_per_second,
            means.cpu,
            means.lag_seconds,
            pressure=max(shares.values()),
            slots=self._slots,
            busy=tuple(sorted(self._busy)),
        )

    def _shares(self) -> dict[str, float]:
        """Of each measure's limit."""
        means, capacity = self._means, self.capacity
        return {
            "packets": means.packets_per_second / capacity.packets_per_second,
            "egress": means.egress_bps / capacity.egress_bps,
            "cpu": means.cpu / capacity.cpu,
            "lag": means.lag_seconds / capacity.lag_seconds,
            "blocked": means.blocked / limits.blocked_share_max,
        }

    def _fitting(self, shares: dict[str, float], copies: int) -> int | None:
        """Copies in all, by the measure that leaves room for the fewest; None when none has a limit."""
        packets, bps = self.capacity.packets_per_second, self.capacity.egress_bps
        fitting = []
        if math.isfinite(packets):
            fitting.append(self._by("packets", shares, copies))
        if math.isfinite(bps):
            fitting.append(self._by("egress", shares, copies))
        # Far from its limit a core is busy with everything but copies: handshakes, the directory.
        if shares["cpu"] >= limits.tight_pressure:
            fitting.append(self._by("cpu", shares, copies))
        return math.floor(min(fitting)) if fitting else None

    def _by(self, name: str, shares: dict[str, float], copies: int) -> float:
        """Copies in all if each costs what they did lately, and no more than fit into what is left just now."""
        cost = max(self._costs[name], _cost_floor * self._assumed()[name])
        return min(1 / cost, copies + max(0.0, 1 - shares[name]) / cost)

    def _assumed(self) -> dict[str, float]:
        """What a copy takes of each limit, as far as nothing is known of it."""
        capacity = self.capacity
        packets = _assumed_packets_per_second / capacity.packets_per_second
        core = _assumed_packets_per_second / min(capacity.packets_per_second, limits.unbenched_packets_per_second)
        return {"packets": packets, "egress": _assumed_bps / capacity.egress_bps, "cpu": core}

    def _learn(self, now: dict[str, float], copies: int, elapsed: float) -> None:
        """What a copy costs, learnt slowly: whoever joins is sent seconds of video at once, and a herd is no rule."""
        weight = 1 - math.exp(-elapsed / limits.load_cost_seconds)
        for name, assumed in self._assumed().items():
            cost = (now[name] + _assumed_copies * assumed) / (copies + _assumed_copies)
            self._costs[name] += weight * (cost - self._costs[name])

    def _news(self, slots: int | None, copies: int) -> bool:
        """Small changes are none, or every report up the tree would be one; room that appears or ends is."""
        if slots is None or self._slots is None:
            return True
        return abs(slots - self._slots) > _slots_changed * self._slots or (slots > copies) != (self._slots > copies)


def _restarted(sample: Sample, last: Sample) -> bool:
    """Whether a counter went back, as those of another port or process would."""
    return (
        sample.sent < last.sent
        or sample.sent_bytes < last.sent_bytes
        or sample.blocked < last.blocked
        or sample.cpu_seconds < last.cpu_seconds
    )
