"""Tickets: a client that is sent on gets in there, with nothing more than it had here."""

from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from foundation.errors import BadToken
from swarm.tickets import Tickets
from swarm.tokens import Grant

P = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
Q = UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
HERE, THERE = "http://192.0.2.1:7400", "https://two.example"
KEY, FORMER = b"k" * 32, b"f" * 32
NOW = 1_700_000_000.0

here, there = Tickets(HERE, (KEY,)), Tickets(THERE, (KEY,))


def test_a_ticket_allows_the_one_thing_at_the_one_node() -> None:
    access = there.read(here.write(THERE, P, Grant.PLAY, "ann", NOW), NOW)
    assert access.subject == "ann"
    assert access.allows(Grant.PLAY, P)
    assert not access.allows(Grant.PLAY, Q)
    assert not access.allows(Grant.PUBLISH, P)


def test_a_ticket_without_a_producer_is_for_a_new_one() -> None:
    access = there.read(here.write(THERE, None, Grant.PUBLISH, "", NOW), NOW)
    assert access.allows(Grant.PUBLISH, None)
    assert not access.allows(Grant.PLAY, P)


def test_a_ticket_for_another_node_is_refused() -> None:
    with pytest.raises(BadToken):
        here.read(here.write(THERE, P, Grant.PLAY, "", NOW), NOW)


def test_a_ticket_expires() -> None:
    ticket = here.write(THERE, P, Grant.PLAY, "", NOW)
    assert there.read(ticket, NOW + limits.ticket_seconds)
    with pytest.raises(BadToken):
        there.read(ticket, NOW + limits.ticket_seconds + 1)


def test_a_ticket_of_another_swarm_is_refused() -> None:
    with pytest.raises(BadToken):
        there.read(Tickets(HERE, (FORMER,)).write(THERE, P, Grant.PLAY, "", NOW), NOW)


def test_a_ticket_under_the_former_key_is_good_while_the_key_changes() -> None:
    changing = Tickets(THERE, (KEY, FORMER))
    assert changing.read(Tickets(HERE, (FORMER,)).write(THERE, P, Grant.PLAY, "", NOW), NOW)


def test_the_longest_ticket_fits() -> None:
    url, subject = "x" * limits.node_record_url_bytes_max, "ü" * limits.token_subject_chars_max
    assert Tickets(url, (KEY,)).read(here.write(url, P, Grant.PUBLISH, subject, NOW), NOW).subject == subject


def test_no_truncated_or_changed_ticket_is_good() -> None:
    ticket = here.write(THERE, P, Grant.PLAY, "ann", NOW)
    others = [ticket[:length] for length in range(len(ticket))]
    others += [ticket[:at] + ("A" if ticket[at] != "A" else "B") + ticket[at + 1 :] for at in range(len(ticket) - 1)]
    others += ["", "x" * 1100, "ü", ticket + "AAAA"]
    for other in others:
        with pytest.raises(BadToken):
            there.read(other, NOW)


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=100))
def test_random_text_is_refused(ticket: str) -> None:
    with pytest.raises(BadToken):
        there.read(ticket, NOW)
