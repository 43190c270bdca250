"""What a relay tells its parents about itself and its subtree: when it matters, and at most once a second."""

import math
from dataclasses import replace

from foundation import limits
from foundation.identity import NodeId
from swarm.carriage import Carriage
from swarm.delegation import Delegation
from swarm.messages import Report
from swarm.relay_state import RelayState

_KEY = ("reports",)


class Reports:
    """Changes only set a deadline; what is sent is looked up when it comes, so a burst of changes is one report."""

    def __init__(self, state: RelayState, delegation: Delegation) -> None:
        self._state = state
        self._delegation = delegation
        self._busy = self._busy_now()

    def changed(self, now: float) -> None:
        """Something a report could contain has changed."""
        busy = self._busy_now()
        urgent = busy != self._busy
        self._busy = busy
        self._state.deadlines.advance(_KEY, now + (limits.report_urgent_seconds if urgent else limits.report_seconds))

    def first(self, carriage: Carriage, now: float) -> None:
        """The report that confirms a new bond."""
        self._send(carriage, self._report(carriage), now)
        self._state.deadlines.advance(_KEY, now + limits.report_keepalive_seconds)

    def confirm(self, carriage: Carriage, node: NodeId, request: int) -> None:
        """The report that confirms a bond which is still on trial."""
        self._state.send(node, replace(self._report(carriage), request=request))

    def due(self, now: float) -> None:
        """Sends what is due, and sets the deadline for the rest."""
        following = math.inf
        for carriage in self._state.carriages.values():
            if carriage.parent is None:
                continue
            report = self._report(carriage)
            at = carriage.reported_at + self._gap(report, carriage.reported)
            if at <= now:
                self._send(carriage, report, now)
                at = now + limits.report_keepalive_seconds
            following = min(following, at)
        if following < math.inf:
            self._state.deadlines.advance(_KEY, following)

    def _gap(self, report: Report, last: Report | None) -> float:
        """Seconds from the last report to this one."""
        if last is None or _crosses_zero(report, last):
            return limits.report_urgent_seconds
        return limits.report_keepalive_seconds if report == last else limits.report_seconds

    def _send(self, carriage: Carriage, report: Report, now: float) -> None:
        assert carriage.parent is not None
        carriage.reported, carriage.reported_at = report, now
        self._state.send(carriage.parent, report)

    def _report(self, carriage: Carriage) -> Report:
        state = self._state
        return Report(
            carriage.request,
            carriage.producer,
            relay_room=state.policy.room(state.load, for_relay=True) if state.reachable else 0,
            viewer_room=state.policy.room(state.load, for_relay=False) if state.reachable else 0,
            size=1 + sum(child.size for child in carriage.children.values()),
            candidates=self._delegation.reported(carriage),
            delay_ms=carriage.delay_ms,
        )

    def _busy_now(self) -> tuple[bool, bool]:
        policy, load = self._state.policy, self._state.load
        return policy.busy(load, for_relay=True), policy.busy(load, for_relay=False)


def _crosses_zero(report: Report, last: Report) -> bool:
    return any(
        bool(mine) != bool(before)
        for mine, before in (
            (report.relay_room, last.relay_room),
            (report.viewer_room, last.viewer_room),
            (report.candidates, last.candidates),
        )
    )
