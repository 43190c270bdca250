import random

import pytest
from aioice.stun import Class, Message, Method, parse_message

from foundation import limits
from foundation.errors import RemoteError
from media import stun
from media.ice import IceDialer, IceLite

PASSWORD = "p" * 32
HERE = ("192.0.2.1", 7400)
ELSEWHERE = ("192.0.2.2", 7400)


def check(nominate: bool = False) -> Message:
    request = Message(Method.BINDING, Class.REQUEST)
    request.attributes["USERNAME"] = "local:remote"
    if nominate:
        request.attributes["USE-CANDIDATE"] = None
    return request


def lite(now: float = 0.0) -> IceLite:
    return IceLite(PASSWORD, limits.ice_consent_seconds_max, now)


def dialer(now: float = 0.0) -> IceDialer:
    return IceDialer("remote:local", PASSWORD, HERE, random.Random(1), now)


def answer_to(data: bytes, password: str = PASSWORD) -> bytes:
    return stun.success_response(parse_message(data), ("198.51.100.1", 1), password)


def answered(dialer: IceDialer, now: float, rtt: float = 0.0) -> None:
    """Sends the check that is due and lets it be answered after `rtt` seconds."""
    data = dialer.poll(now)
    assert data is not None
    dialer.answer(answer_to(data), HERE, now + rtt)


def run(dialer: IceDialer, start: float, end: float) -> list[float]:
    """When checks go out while nobody answers."""
    times, now = [], start
    while now < end:
        if dialer.poll(now):
            times.append(round(now, 3))
        now = dialer.next_at
    return times


class TestLite:
    def test_the_first_valid_check_says_where_media_goes(self):
        ice = lite()
        response, evicted = ice.accept(check(), HERE, 1.0)
        assert (ice.remote, ice.nominated, evicted) == (HERE, False, None)
        assert parse_message(response).attributes["XOR-MAPPED-ADDRESS"] == HERE

    def test_a_later_check_from_elsewhere_moves_nothing(self):
        ice = lite()
        ice.accept(check(nominate=True), HERE, 1.0)
        ice.accept(check(), ELSEWHERE, 2.0)
        assert ice.remote == HERE
        assert set(ice.addresses) == {HERE, ELSEWHERE}

    def test_a_nominating_check_moves_the_media(self):
        ice = lite()
        ice.accept(check(), HERE, 1.0)
        ice.accept(check(nominate=True), ELSEWHERE, 2.0)
        assert (ice.remote, ice.nominated) == (ELSEWHERE, True)

    def test_a_check_from_another_address_under_the_same_transaction_is_a_copy(self):
        ice, request = lite(), check(nominate=True)
        assert not ice.copied(request, HERE)
        assert not ice.copied(request, HERE)
        assert ice.copied(request, ELSEWHERE)
        assert not ice.copied(check(nominate=True), ELSEWHERE)

    def test_a_bounded_number_of_transactions_is_remembered(self):
        ice, first = lite(), check()
        ice.copied(first, HERE)
        for _ in range(limits.ice_transactions_max - 1):
            ice.copied(check(), HERE)
        assert ice.copied(first, ELSEWHERE)
        ice.copied(check(), HERE)
        assert not ice.copied(first, ELSEWHERE)

    def test_silence_for_the_consent_time_ends_it(self):
        ice = lite(now=10.0)
        assert ice.expires_at == 40.0
        ice.accept(check(), HERE, 25.0)
        assert ice.expires_at == 55.0

    def test_authenticated_media_counts_as_a_sign_of_life(self):
        ice = lite()
        ice.heard_at = 100.0
        assert ice.expires_at == 130.0

    def test_validated_addresses_are_bounded_and_the_nominated_one_stays(self):
        ice = lite()
        ice.accept(check(nominate=True), HERE, 0.0)
        evictions = []
        for index in range(3 * limits.ice_addresses_max):
            evictions.append(ice.accept(check(), ("192.0.2.9", 1000 + index), 1.0 + index)[1])
        assert len(list(ice.addresses)) == limits.ice_addresses_max
        assert HERE in ice.addresses
        assert [e for e in evictions if e][:2] == [("192.0.2.9", 1000), ("192.0.2.9", 1001)]

    def test_a_dropped_address_gets_no_more_media(self):
        ice = lite()
        ice.accept(check(nominate=True), HERE, 0.0)
        ice.drop_address(HERE)
        assert ice.remote is None
        assert list(ice.addresses) == []
        ice.drop_address(ELSEWHERE)


class TestDialer:
    def test_a_check_carries_what_a_controlling_agent_sends(self):
        data = dialer().poll(0.0)
        assert data is not None
        request = stun.authenticated_request(data, PASSWORD)
        assert stun.ufrags_of(data) == ("remote", "local")
        assert {"PRIORITY", "ICE-CONTROLLING", "USE-CANDIDATE", "FINGERPRINT"} <= request.attributes.keys()

    def test_checks_back_off_until_the_dial_fails(self):
        ice = dialer()
        assert run(ice, 0.0, 5.0) == [0, 0.1, 0.3, 0.7, 1.5, 2.5, 3.5, 4.5]
        assert ice.expires_at == limits.ice_dial_seconds_max

    def test_nothing_is_sent_before_its_time(self):
        ice = dialer()
        assert ice.poll(0.0)
        assert ice.poll(0.05) is None

    def test_an_answer_connects_and_measures_the_round_trip(self):
        ice = dialer()
        assert list(ice.addresses) == []
        answered(ice, 0.0, rtt=0.08)
        assert ice.connected
        assert list(ice.addresses) == [HERE]
        assert ice.checks.srtt_seconds == pytest.approx(0.08)
        assert ice.expires_at == float("inf")

    def test_the_round_trip_is_smoothed(self):
        ice = dialer()
        answered(ice, 0.0, rtt=0.08)
        answered(ice, ice.next_at, rtt=0.16)
        assert ice.checks.srtt_seconds == pytest.approx(0.09)

    def test_the_round_trip_after_a_lost_check_is_that_of_the_answered_one(self):
        ice = dialer()
        ice.poll(0.0)
        answered(ice, 0.1, rtt=0.02)
        assert ice.checks.srtt_seconds == pytest.approx(0.02)

    def test_an_idle_link_is_checked_every_five_seconds(self):
        ice = dialer()
        answered(ice, 0.0)
        assert ice.next_at == limits.link_check_idle_seconds

    def test_a_link_that_stops_answering_fails_within_its_bound(self):
        ice = dialer()
        answered(ice, 0.0)
        assert run(ice, 5.0, 10.0) == [5, 6, 7, 8, 9]
        assert ice.expires_at == 5.0 + limits.link_silence_seconds_max

    def test_one_answer_among_losses_keeps_the_link(self):
        ice = dialer()
        answered(ice, 0.0)
        run(ice, 5.0, 8.0)
        answered(ice, 8.0)
        assert ice.expires_at == float("inf")

    def test_a_lost_check_beside_an_answered_one_does_not_count_as_silence(self):
        ice = dialer()
        first = ice.poll(0.0)
        ice.poll(0.1)
        assert first is not None
        ice.answer(answer_to(first), HERE, 0.15)
        assert ice.expires_at == float("inf")

    def test_keepalives_are_no_connectivity_checks(self):
        ice = dialer()
        answered(ice, 0.0)
        data = ice.poll(5.0)
        assert data is not None
        assert "PRIORITY" not in parse_message(data).attributes
        assert "USE-CANDIDATE" in parse_message(data).attributes

    def test_keepalives_of_clients_are_connectivity_checks(self):
        ice = IceDialer("remote:local", PASSWORD, HERE, random.Random(1), 0.0, link=False)
        answered(ice, 0.0)
        data = ice.poll(5.0)
        assert data is not None
        assert "PRIORITY" in parse_message(data).attributes

    def test_an_answer_from_elsewhere_is_refused(self):
        ice = dialer()
        data = ice.poll(0.0)
        assert data is not None
        with pytest.raises(RemoteError):
            ice.answer(answer_to(data), ELSEWHERE, 0.1)
        assert not ice.connected

    def test_an_answer_without_the_password_is_refused(self):
        ice = dialer()
        data = ice.poll(0.0)
        assert data is not None
        with pytest.raises(RemoteError):
            ice.answer(answer_to(data, "wrong"), HERE, 0.1)
        assert not ice.connected

    def test_an_answer_to_nothing_is_refused(self):
        ice = dialer()
        ice.poll(0.0)
        with pytest.raises(RemoteError):
            ice.answer(stun.success_response(check(), HERE, PASSWORD), HERE, 0.1)

    def test_an_answer_counts_once(self):
        ice = dialer()
        data = ice.poll(0.0)
        assert data is not None
        ice.answer(answer_to(data), HERE, 0.1)
        with pytest.raises(RemoteError):
            ice.answer(answer_to(data), HERE, 0.2)

    def test_an_error_response_is_no_answer(self):
        ice = dialer()
        data = ice.poll(0.0)
        assert data is not None
        error = Message(Method.BINDING, Class.ERROR, parse_message(data).transaction_id)
        error.attributes["ERROR-CODE"] = (401, "Unauthorized")
        error.add_message_integrity(PASSWORD.encode())
        with pytest.raises(RemoteError):
            ice.answer(bytes(error), HERE, 0.1)

    def test_an_answer_truncated_at_every_length_is_refused(self):
        ice = dialer()
        data = ice.poll(0.0)
        assert data is not None
        answer = answer_to(data)
        for length in range(len(answer)):
            with pytest.raises(RemoteError):
                ice.answer(answer[:length], HERE, 0.1)
        ice.answer(answer, HERE, 0.1)

    def test_outstanding_checks_are_bounded(self):
        ice = dialer()
        first = ice.poll(0.0)
        assert first is not None
        run(ice, ice.next_at, 60.0)
        with pytest.raises(RemoteError):
            ice.answer(answer_to(first), HERE, 60.0)

    def test_two_dialers_have_different_tie_breakers(self):
        one = IceDialer("a:b", PASSWORD, HERE, random.Random(1), 0.0)
        other = IceDialer("a:b", PASSWORD, HERE, random.Random(2), 0.0)
        assert one.tie_breaker != other.tie_breaker
