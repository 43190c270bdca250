"""A user's policy in office: where it fails, the default one decides, and the node goes on."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from foundation import limits
from swarm.policies.verdicts import candidates_verdict, room_verdict, yes_or_no
from swarm.policy import Candidate, Load, PlacementPolicy

logger = logging.getLogger(__name__)

Verdict = TypeVar("Verdict")


class GuardedPolicy:
    """Asks `policy`; a call that raises, or answers what is no verdict, is counted and costs that one decision."""

    def __init__(self, policy: PlacementPolicy, default: PlacementPolicy, clock: Callable[[], float]) -> None:
        """`clock` gives seconds of a monotonic clock, for how often failures are logged."""
        self.failures = 0
        self._policy = policy
        self._default = default
        self._clock = clock
        self._logged_at: float | None = None

    def busy(self, load: Load, for_relay: bool) -> bool:
        return self._ask(
            lambda: yes_or_no(self._policy.busy(load, for_relay)), lambda: self._default.busy(load, for_relay)
        )

    def room(self, load: Load, for_relay: bool) -> int:
        return self._ask(
            lambda: room_verdict(self._policy.room(load, for_relay)), lambda: self._default.room(load, for_relay)
        )

    def soft_room(self, load: Load) -> int:
        return self._ask(lambda: room_verdict(self._policy.soft_room(load)), lambda: self._default.soft_room(load))

    def children_room(self, load: Load, children: int, owned: bool) -> int:
        return self._ask(
            lambda: room_verdict(self._policy.children_room(load, children, owned)),
            lambda: self._default.children_room(load, children, owned),
        )

    def rank(self, candidates: Sequence[Candidate], for_relay: bool, region: str = "") -> list[Candidate]:
        return self._ask(
            lambda: candidates_verdict(self._policy.rank(list(candidates), for_relay, region), candidates),
            lambda: self._default.rank(candidates, for_relay, region),
        )

    def _ask(self, asked: Callable[[], Verdict], default: Callable[[], Verdict]) -> Verdict:
        try:
            return asked()
        except Exception as exc:
            self._failed(exc)
            return default()

    def _failed(self, exc: Exception) -> None:
        self.failures += 1
        now = self._clock()
        if self._logged_at is None or now - self._logged_at >= limits.policy_failure_log_seconds:
            self._logged_at = now
            logger.warning(
                "the placement policy failed, %d times so far; the default one decides", self.failures, exc_info=exc
            )
