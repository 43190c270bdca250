"""What a relay tells its parents about itself and its subtree: when it matters, and at most once a second."""

import math
from dataclasses import replace

from foundation import limits
from foundation.identity import NodeId
from swarm.messages import Report
from swarm.tree.carriage import Carriage
from swarm.tree.delegation import Delegation
from swarm.tree.state import RelayState

_KEY = ("reports",)


class Reports:
    """Changes only set a deadline; what is sent is looked up when it comes, so a burst of changes is one report.

    Carriers are named by id; the record of each goes along once in a while on every link.
    """

    def __init__(self, state: RelayState, delegation: Delegation) -> None:
        self._state = state
        self._delegation = delegation
        self._busy = self._busy_now()
        self._told: dict[NodeId, dict[NodeId, float]] = {}

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
            at = carriage.reported_at + _gap(report, carriage.reported)
            if at <= now:
                self._send(carriage, report, now)
                at = now + limits.report_keepalive_seconds
            following = min(following, at)
        if following < math.inf:
            self._state.deadlines.advance(_KEY, following)

    def link_down(self, node: NodeId) -> None:
        """Whatever comes up there next knows nothing of what was told."""
        self._told.pop(node, None)

    def _send(self, carriage: Carriage, report: Report, now: float) -> None:
        assert carriage.parent is not None
        carriage.reported, carriage.reported_at = report, now
        records = self._untold(carriage, report, now)
        self._state.send(carriage.parent, replace(report, records=records) if records else report)

    def _untold(self, carriage: Carriage, report: Report, now: float) -> tuple[bytes, ...]:
        """The records of those named which the parent may not have, or not the newest of."""
        assert carriage.parent is not None
        told, pool = self._told.setdefault(carriage.parent, {}), self._delegation.pool(carriage.producer)
        for node in [node for node, at in told.items() if at + limits.report_record_seconds <= now]:
            del told[node]
        untold = [named.node for named in report.carriers if named.node not in told]
        told.update(dict.fromkeys(untold, now))
        return tuple(known.candidate.record.encoded for node in untold if (known := pool.get(node)) is not None)

    def _report(self, carriage: Carriage) -> Report:
        relay_room, viewer_room, spare = self._state.offered_rooms(carriage)
        return Report(
            carriage.request,
            carriage.producer,
            relay_room=relay_room,
            viewer_room=viewer_room,
            spare=spare,
            size=1 + sum(child.size for child in carriage.children.values()),
            carriers=self._delegation.reported(carriage),
            delay_ms=carriage.delay_ms,
        )

    def _busy_now(self) -> tuple[bool, bool, bool]:
        policy, load = self._state.policy, self._state.load
        return policy.busy(load, for_relay=True), policy.busy(load, for_relay=False), policy.soft_room(load) == 0


def _gap(report: Report, last: Report | None) -> float:
    """Seconds from the last report to this one."""
    if last is None or _crosses_zero(report, last):
        return limits.report_urgent_seconds
    return limits.report_seconds if _news(report, last) else limits.report_keepalive_seconds


def _crosses_zero(report: Report, last: Report) -> bool:
    return any(
        bool(mine) != bool(before)
        for mine, before in (
            (report.relay_room, last.relay_room),
            (report.viewer_room, last.viewer_room),
            (report.spare, last.spare),
            (report.carriers, last.carriers),
        )
    )


def _news(report: Report, last: Report) -> bool:
    """Whether the parent would act otherwise: a room is another by a tenth, or others have as much more of it.

    Who is among the best few may change with every viewer, so their names alone are no news.
    """
    pairs = [
        (report.relay_room, last.relay_room),
        (report.viewer_room, last.viewer_room),
        (report.spare, last.spare),
        (report.size, last.size),
        *((sum(rooms(report)), sum(rooms(last))) for rooms in (_relay_rooms, _viewer_rooms, _spares)),
    ]
    named = {carrier.node: carrier for carrier in report.carriers}
    for before in last.carriers:
        now = named.get(before.node)
        if now is not None:
            pairs += [(now.relay_room, before.relay_room), (now.viewer_room, before.viewer_room)]
            pairs.append((now.spare, before.spare))
            if now.rank != before.rank:
                return True
    return any(abs(now - before) > before * limits.report_hysteresis for now, before in pairs)


def _relay_rooms(report: Report) -> list[int]:
    return [carrier.relay_room for carrier in report.carriers]


def _viewer_rooms(report: Report) -> list[int]:
    return [carrier.viewer_room for carrier in report.carriers]


def _spares(report: Report) -> list[int]:
    return [carrier.spare for carrier in report.carriers]
