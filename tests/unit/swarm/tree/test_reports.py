"""What a relay tells its parent, and how often."""

import pytest

from foundation import limits
from swarm.messages import Report
from tests.unit.swarm.tree.relay_core import Core, P, Q, named, node, record, records


@pytest.fixture
def relay() -> Core:
    core = Core(slots=5)
    core.relay(1)
    return core


def _reports(core: Core) -> list[Report]:
    return [message for to, message in core.sent() if isinstance(message, Report) and to == node(1)]


def test_the_first_report_confirms_the_bond_at_once() -> None:
    core = Core(slots=5)
    request = core.asks_owner(1).request
    core.accepted_by(1, request)
    [report] = _reports(core)
    assert (report.request, report.size, report.relay_room, report.viewer_room) == (request, 1, 4, 3)


def test_a_node_that_nobody_can_reach_has_room_for_nobody_but_its_own(relay: Core) -> None:
    relay.tree._state.reachable = False
    relay.want(viewer="w")
    relay.advance(limits.report_keepalive_seconds)
    assert {(report.relay_room, report.viewer_room) for report in _reports(relay)} == {(0, 0)}


def test_without_news_a_report_is_sent_now_and_then(relay: Core) -> None:
    relay.advance(10 * limits.report_keepalive_seconds)
    assert len(_reports(relay)) == 10


def test_news_is_reported_once_a_second(relay: Core) -> None:
    for step in range(100):
        relay.want(viewer="w") if step % 2 else relay.release(viewer="w")
        relay.advance(0.1)
    assert 5 <= len(_reports(relay)) <= 11


def test_the_end_of_room_is_reported_quickly(relay: Core) -> None:
    relay.advance(limits.report_seconds)
    relay.actions()
    for number in range(3):
        relay.want(viewer=f"w{number}")
    relay.advance(limits.report_urgent_seconds)
    assert [report.viewer_room for report in _reports(relay)] == [0]


def test_the_subtree_is_counted_and_its_best_named(relay: Core) -> None:
    relay.feed(2)
    relay.receive(2, Report(1, P, 0, 0, 0, 3, (named(5, 3, 7, 6),), records(5)))
    relay.advance(limits.report_seconds)
    report = _reports(relay)[-1]
    assert report.size == 4
    assert report.carriers == (named(5, 3, 7, 6),)


def test_the_shallowest_are_named_for_relays_and_the_roomiest_for_viewers() -> None:
    core = Core(slots=20)
    core.relay(1)
    for number in range(2, 14):
        core.feed(number, room=number)
    core.receive(2, Report(1, P, 0, 0, 0, 2, (named(50, 3, 99, 99),), records(50)))
    core.advance(limits.report_seconds)
    carriers = {carrier.node for carrier in _reports(core)[-1].carriers}
    assert carriers == {node(number) for number in (50, 13, 12, 11, 10, 9)}


def test_a_record_goes_along_once_and_again_after_a_while() -> None:
    core = Core(slots=20)
    core.relay(1)
    core.feed(2, room=50)
    told: list[tuple[float, bytes]] = []
    for _ in range(int(1.9 * limits.report_record_seconds / limits.report_keepalive_seconds)):
        core.receive(2, Report(1, P, 50, 50, 50, 1))
        core.advance(limits.report_keepalive_seconds)
        told += [(core.now, encoded) for report in _reports(core) for encoded in report.records]
    (first, one), (second, other) = told
    assert one == other == record(2).encoded
    assert second - first >= limits.report_record_seconds


def test_a_new_link_is_told_records_anew() -> None:
    core = Core(slots=20)
    core.relay(1)
    core.feed(2, room=50)
    core.advance(limits.report_seconds)
    assert _reports(core)[-1].records == records(2)
    core.tree._reports.link_down(node(1))
    core.receive(2, Report(1, P, 9, 9, 9, 1))
    core.advance(limits.report_seconds)
    assert _reports(core)[-1].records == records(2)


def test_a_change_of_less_than_a_tenth_is_no_news() -> None:
    core = Core(slots=200)
    core.relay(1)
    core.advance(limits.report_keepalive_seconds)
    core.actions()
    for number in range(10):
        core.want(viewer=f"w{number}")
    core.advance(limits.report_keepalive_seconds - 0.1)
    assert _reports(core) == []
    for number in range(10, 20):
        core.want(viewer=f"w{number}")
    core.advance(limits.report_seconds)
    assert len(_reports(core)) == 1


def test_other_names_with_as_much_room_are_no_news() -> None:
    core = Core(slots=200)
    core.relay(1)
    for number in range(2, 20):
        core.feed(number, room=50)
    core.advance(limits.report_seconds)
    core.actions()
    for number in range(2, 8):
        core.receive(number, Report(1, P, 50, 48, 48, 1))
    core.advance(limits.report_keepalive_seconds - 0.1)
    assert _reports(core) == []


def test_what_does_not_change_is_not_reported_in_another_order() -> None:
    core = Core(slots=20)
    core.relay(1)
    for number in range(2, 12):
        core.feed(number)
    core.advance(limits.report_seconds)
    core.actions()
    core.advance(limits.report_keepalive_seconds - 0.1)
    assert _reports(core) == []


def test_an_owner_reports_to_nobody() -> None:
    core = Core()
    core.own()
    core.feed(1)
    core.advance(10)
    assert not any(isinstance(message, Report) for _, message in core.sent())


def test_load_of_another_stream_is_news_too(relay: Core) -> None:
    relay.own(Q)
    relay.asked_by(7, producer=Q)
    relay.actions()
    relay.advance(limits.report_seconds)
    assert [report.relay_room for report in _reports(relay)] == [3]
