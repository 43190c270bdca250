"""LinkWatch: whether the other end of a link is still there; a dead parent is known within 300 ms. Sans-IO.

Silence alone says nothing: a source may be muted. So it only raises a doubt, and checks of the path, every 50 ms then,
decide. Doubt begins when media stops that came steadily, when a check stays unanswered, when nothing at all was heard
for too long, or when somebody else claims the address. Whatever is heard of the other end, once authenticated, ends it.

Nothing is done per packet but to note the time: the one timer of the link finds out that it rang too early.
"""

from foundation import limits
from media.path_checks import PathChecks

_gap_slot_seconds = 2.0
"""Of the time over which the usual gap between two bursts is the second largest one: the last slot and the present one.

The largest may be one stall of a busy machine: to take that for usual tripled the time until a dead parent was known.
"""

_doubt_checks_min = 3

_stalls_max = 3


class LinkWatch:
    """For one connected link; both ends have one."""

    def __init__(self, checks: PathChecks, dialed: bool, now: float) -> None:
        """`dialed`: this end did, and so keeps the path checked at a steady pace; the other measures now and then."""
        self.silent = False
        """The other end is gone."""
        self._checks = checks
        self._dialed = dialed
        self._busy = self._awaits_media = False
        self._next_check = now + limits.link_check_idle_seconds if dialed else now
        self._media_at: float | None = None
        self._muted = False
        self._gaps = self._gaps_before = 0.0, 0.0
        self._slot_ends = now
        self._suspected = self._urgent = False
        self._suspected_at = float("-inf")
        self._doubt_since: float | None = None
        self._doubt_checks = self._stalls = 0
        self._due = now

    def set_busy(self, busy: bool, awaits_media: bool, now: float) -> None:
        """`busy`: the link carries media; `awaits_media`: some of it comes in."""
        if not awaits_media:
            self._media_at, self._muted = None, False
        self._busy, self._awaits_media = busy, awaits_media
        self._next_check = min(self._next_check, now + self._interval)

    def media(self, now: float) -> bool:
        """A burst came; true when `timeout` is nearer than before."""
        if not self._awaits_media:
            return False
        nearer = self._media_at is None or self._muted
        gap = 0.0 if self._media_at is None else now - self._media_at
        if now >= self._slot_ends:
            self._gaps_before, self._gaps, self._slot_ends = self._gaps, (0.0, 0.0), now + _gap_slot_seconds
        if self._gaps[1] < gap <= limits.link_usual_gap_seconds_max:
            self._gaps = max(gap, self._gaps[0]), min(gap, self._gaps[0])
        self._media_at, self._muted = now, False
        return nearer

    def suspect(self, now: float) -> None:
        """Somebody who may be the other end, started anew, claims its address: it is checked at once."""
        if now - self._suspected_at >= limits.link_suspicion_gap_seconds:
            self._suspected = self._urgent = True
            self._suspected_at = now

    def poll(self, now: float, heard_at: float) -> bytes | None:
        """A check that is due, if any; `heard_at` is when anything authenticated last came. May find `silent`."""
        since = self._doubt_since
        if since is not None and self._alive(since, heard_at):
            self._doubt_since, self._urgent = None, False
            self._next_check = now + self._interval
        elif since is not None and now - self._due > limits.link_stall_seconds and self._stalls < _stalls_max:
            self._stalls += 1  # we were stopped ourselves, and have not read yet what came meanwhile
            self._doubt_since, self._doubt_checks, self._next_check = now, 0, now
        elif since is not None and self._doubt_checks >= _doubt_checks_min and now >= since + self._patience:
            self.silent = True
            return None
        if self._doubt_since is None and self._doubtful(now, heard_at):
            self._doubt_since, self._doubt_checks, self._stalls, self._next_check = now, 0, 0, now
        if now < self._next_check:
            return None
        return self._check(now)

    def timeout(self, heard_at: float) -> float:
        """The time from which `poll` has something to do."""
        times = [self._next_check]
        if self._doubt_since is not None:
            if self._doubt_checks >= _doubt_checks_min:
                times.append(self._doubt_since + self._patience)
        else:
            times += self._deadlines(heard_at)
        self._due = min(times)
        return self._due

    @property
    def _interval(self) -> float:
        return limits.link_check_busy_seconds if self._dialed and self._busy else limits.link_check_idle_seconds

    @property
    def _rtt_seconds(self) -> float:
        rtt = self._checks.srtt_seconds
        return limits.rtt_default_seconds if rtt is None else rtt

    @property
    def _patience(self) -> float:
        """For how long checks may stay unanswered: a parent's loss freezes pictures, a child only costs its slot."""
        quick = (self._awaits_media or self._urgent) and self._checks.srtt_seconds is not None
        least = limits.link_parent_doubt_seconds if quick else limits.link_child_doubt_seconds
        return least + self._rtt_seconds

    def _alive(self, since: float, heard_at: float) -> bool:
        """Whether what was heard is younger than the doubt, and was not on its way already."""
        if heard_at <= since:
            return False
        if self._checks.answered_from >= since or (self._media_at is not None and self._media_at > since):
            return True
        return heard_at > since + self._rtt_seconds

    def _check(self, now: float) -> bytes:
        doubtful = self._doubt_since is not None
        self._doubt_checks += doubtful
        self._next_check = now + (limits.link_doubt_check_seconds if doubtful else self._interval)
        return self._checks.request(now)

    def _deadlines(self, heard_at: float) -> list[float]:
        """When doubt begins unless something is heard; media first."""
        quiet = limits.link_quiet_busy_seconds if self._busy else limits.link_quiet_idle_seconds
        times = [heard_at + quiet]
        if self._awaits_media and self._media_at is not None and not self._muted:
            times.append(self._media_at + _suspicious_gap(sorted((*self._gaps, *self._gaps_before))[-2]))
        asked_at = self._checks.unanswered_since
        if asked_at is not None and heard_at < asked_at:
            times.append(asked_at + 1.5 * self._rtt_seconds + limits.link_answer_slack_seconds)
        return times

    def _doubtful(self, now: float, heard_at: float) -> bool:
        suspected, self._suspected = self._suspected, False
        if now < min(self._deadlines(heard_at)):
            return suspected
        self._muted = self._media_at is not None  # if checks are answered; it is no news until media comes again
        return True


def _suspicious_gap(usual: float) -> float:
    """How long media may pause, in seconds, beside the gaps it usually has: half as long again where those are long."""
    quick = min(limits.link_gap_ratio * usual, limits.link_gap_seconds_quick)
    return max(limits.link_gap_seconds_min, quick, limits.link_long_gap_ratio * usual)
