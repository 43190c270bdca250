import random

import pytest

from foundation import limits
from media import table
from media.ice import IceDialer
from media.table import TransportTable

HERE = ("192.0.2.1", 7400)
ELSEWHERE = ("192.0.2.2", 7400)
HELD = limits.address_held_seconds


class Stub:
    """What a table asks of a transport."""

    def __init__(self, *, dialed=None, remote=None, heard_at=0.0, state="connecting", ufrag="local") -> None:
        self.local_ufrag, self.remote_ufrag = ufrag, f"remote of {ufrag}"
        self.dialed, self.remote, self.heard_at, self.state = dialed, remote, heard_at, state
        self.link = dialed is not None
        self.addresses: list = []
        self.lost: list = []
        self.closed: list[str] = []
        self.ice = IceDialer("a:b", "p", HERE, random.Random(0), 0.0) if dialed else None

    def lost_address(self, address) -> None:
        self.lost.append(address)

    def close(self, reason) -> None:
        self.closed.append(reason)


@pytest.fixture
def transports():
    return TransportTable()


def owned(transports: TransportTable, **state) -> Stub:
    owner = Stub(remote=HERE, **state)
    transports.add_accepted(owner)
    transports.claim(HERE, owner)
    owner.addresses = [HERE]
    return owner


def test_transports_are_found_by_their_ufrags(transports):
    accepted, dialed_in, dialed_out = Stub(ufrag="a"), Stub(ufrag="b"), Stub(ufrag="c", dialed=HERE)
    transports.add_accepted(accepted)
    transports.add_dialed_in(dialed_in)
    transports.add_dialed_out(dialed_out, HERE)
    assert transports.accepted("a") is accepted
    assert transports.accepted("b") is None
    assert transports.accepted("c") is dialed_out
    assert transports.dialed_in("remote of b") is dialed_in
    assert transports.dialed_out(HERE) is dialed_out
    assert len(transports.all) == len(transports.unconnected) == 3


def test_a_removed_transport_is_found_no_more(transports):
    owner = owned(transports)
    transports.remove(owner)
    assert transports.at(HERE) is transports.accepted("local") is None
    assert not transports.all
    assert not transports.unconnected


def test_removing_does_not_touch_what_another_has_taken_over(transports):
    old, new = owned(transports), Stub(ufrag="local")
    transports.add_accepted(new)
    transports.claim(HERE, new)
    transports.remove(old)
    assert transports.at(HERE) is transports.accepted("local") is new


def test_a_connected_transport_leaves_room_for_others_to_be_set_up(transports):
    link = Stub()
    transports.add_dialed_in(link)
    assert transports.links_incoming == 1
    transports.connected(link)
    assert transports.links_incoming == 0
    assert transports.all == {link}


def test_a_free_address_may_be_claimed(transports):
    assert transports.may_claim(HERE, Stub(), 0.0, None)


def test_the_owner_may_claim_again(transports):
    assert transports.may_claim(HERE, owned(transports), 0.0, None)


def test_an_address_in_use_is_held(transports):
    owned(transports, heard_at=10.0)
    assert not transports.may_claim(HERE, Stub(), 10.0 + HELD, None)


def test_an_address_gone_silent_changes_hands(transports):
    owner, other = owned(transports, heard_at=10.0), Stub()
    assert transports.may_claim(HERE, other, 10.1 + HELD, None)
    transports.claim(HERE, other)
    assert transports.at(HERE) is other
    assert owner.lost == [HERE]


def test_an_address_that_carries_no_media_changes_hands_at_once(transports):
    owner = owned(transports, heard_at=10.0)
    owner.remote = ELSEWHERE
    assert transports.may_claim(HERE, Stub(), 10.0, None)


def test_a_released_address_is_free(transports):
    owner = owned(transports)
    transports.release(HERE, Stub())
    assert transports.at(HERE) is owner
    transports.release(HERE, owner)
    assert transports.at(HERE) is None


def test_of_two_links_dialed_to_each_other_the_higher_tie_breaker_wins(transports):
    mine, theirs = Stub(dialed=HERE, state="new"), Stub()
    transports.add_dialed_out(mine, HERE)
    assert transports.may_claim(HERE, None, 0.0, mine.ice.tie_breaker + 1)
    assert not transports.may_claim(HERE, None, 0.0, mine.ice.tie_breaker - 1)
    assert not transports.may_claim(HERE, None, 0.0, mine.ice.tie_breaker)
    transports.claim(HERE, theirs)
    assert mine.closed == [table.SUPERSEDED]


def test_a_client_cannot_claim_an_address_that_is_being_dialed(transports):
    mine = Stub(dialed=HERE, state="new")
    transports.add_dialed_out(mine, HERE)
    assert not transports.may_claim(HERE, Stub(), 0.0, None)
    assert transports.may_claim(HERE, mine, 0.0, None)


def test_a_connected_link_holds_the_address_it_dialed_like_any_other(transports):
    mine = Stub(dialed=HERE, remote=HERE, state="connected", heard_at=10.0)
    transports.add_dialed_out(mine, HERE)
    transports.claim(HERE, mine)
    assert not transports.may_claim(HERE, None, 11.0, 2**64 - 1)
    assert transports.may_claim(HERE, None, 10.1 + HELD, 0)
