import random

from hypothesis import given, settings
from hypothesis import strategies as st
from kademlia.node import Node

from dht.overlay_table import BUCKET_SIZE, Contact, Table
from foundation.limits import contacts_max

OWN = bytes(20)


def table(own: bytes = OWN) -> Table:
    return Table(None, BUCKET_SIZE, Node(own))


def contact(node_id: bytes, now: float = 0.0) -> Contact:
    return Contact(node_id, ("192.0.2.1", int.from_bytes(node_id[-2:], "big") % 65535 + 1), now)


def filled(count: int, seed: int = 1) -> Table:
    rng, filling = random.Random(seed), table()
    for _ in range(count):
        filling.add_contact(contact(rng.randbytes(20)))
    return filling


@given(st.integers(0, 300), st.binary(min_size=20, max_size=20), st.integers(1, 20))
@settings(deadline=None, max_examples=50)
def test_the_neighbours_are_the_nearest_there_are(count: int, target: bytes, k: int) -> None:
    full = filled(count)
    exact = sorted(full, key=Node(target).distance_to)[:k]
    assert full.find_neighbors(Node(target), k) == exact


def test_a_contact_at_the_end_of_a_bucket_is_found_again() -> None:
    full = filled(100)
    for bucket in list(full.buckets):
        edge = min(bucket.range[1], 2**160 - 1).to_bytes(20, "big")
        full.add_contact(contact(edge))
        assert full.contact(edge) is not None
        full.remove_contact(Node(edge))
        assert full.contact(edge) is None


def test_the_asker_is_not_told_of_itself() -> None:
    few = table()
    asker, other = contact(b"a" * 20), contact(b"b" * 20)
    few.add_contact(asker)
    few.add_contact(other)
    assert few.find_neighbors(Node(OWN), exclude=asker) == [other]


def test_a_full_bucket_names_its_oldest_contact_and_keeps_a_spare() -> None:
    far = [b"\xff" * 10 + n.to_bytes(10, "big") for n in range(2, 400)]
    full, oldest = table(), None
    for node_id in far:
        oldest = full.add_contact(contact(node_id)) or oldest
    assert oldest is not None
    assert len(full) < len(far)
    spare = full.contact(far[-1])
    assert spare is not None
    full.heard(spare, 5.0)
    assert spare.heard_at == 5.0


def test_who_was_heard_is_no_longer_the_oldest() -> None:
    few = table()
    one, other = contact(b"a" * 20), contact(b"b" * 20)
    few.add_contact(one)
    few.add_contact(other)
    one.strikes = 1
    few.heard(one, 7.0)
    assert few.buckets[0].head() is other
    assert (one.heard_at, one.strikes) == (7.0, 0)


def test_the_table_is_bounded() -> None:
    crowded, rng = table(), random.Random(3)
    for bits in range(160):
        for _ in range(30):
            crowded.add_contact(contact((rng.getrandbits(160) >> bits).to_bytes(20, "big")))
    assert len(crowded) <= contacts_max
