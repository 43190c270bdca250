"""Places for sessions that wait for their client, by address."""

import pytest

from foundation import limits
from swarm.http.problems import Refusal
from swarm.http.set_ups import SetUps


@pytest.fixture
def waiting() -> set[str]:
    """The sessions whose client has not connected."""
    return set()


@pytest.fixture
def set_ups(waiting: set[str], monkeypatch: pytest.MonkeyPatch) -> SetUps:
    monkeypatch.setattr(limits, "set_ups_per_network_max", 2)
    return SetUps(waiting.__contains__)


def answer(set_ups: SetUps, waiting: set[str], ip: str, session: str) -> None:
    with set_ups.place(ip) as answered:
        waiting.add(session)
        answered(session)


def refused(set_ups: SetUps, ip: str) -> bool:
    try:
        with set_ups.place(ip):
            return False
    except Refusal as refusal:
        return refusal.problem.status == 429


def test_sessions_that_wait_leave_room_for_other_addresses_only(set_ups: SetUps, waiting: set[str]) -> None:
    answer(set_ups, waiting, "192.0.2.1", "a")
    answer(set_ups, waiting, "192.0.2.1", "b")
    assert refused(set_ups, "192.0.2.1")
    assert not refused(set_ups, "192.0.2.2")


def test_a_network_of_ipv6_has_its_places_together(set_ups: SetUps, waiting: set[str]) -> None:
    answer(set_ups, waiting, "2001:db8::1", "a")
    answer(set_ups, waiting, "2001:db8::2", "b")
    assert refused(set_ups, "2001:db8::3")


def test_a_client_that_connects_or_leaves_makes_room(set_ups: SetUps, waiting: set[str]) -> None:
    answer(set_ups, waiting, "192.0.2.1", "a")
    answer(set_ups, waiting, "192.0.2.1", "b")
    waiting.discard("a")
    assert not refused(set_ups, "192.0.2.1")


def test_offers_under_answer_count_and_those_without_a_session_no_more(set_ups: SetUps) -> None:
    with set_ups.place("192.0.2.1"), set_ups.place("192.0.2.1"):
        assert refused(set_ups, "192.0.2.1")
    assert not refused(set_ups, "192.0.2.1")
    with pytest.raises(ZeroDivisionError), set_ups.place("192.0.2.1"):
        raise ZeroDivisionError
    assert not set_ups._answering
