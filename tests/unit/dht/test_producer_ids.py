from uuid import RFC_4122, UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dht.lease import standing
from dht.producer_ids import certified, certified_id, node_lease_id
from foundation.errors import LocalError
from tests.unit.dht.samples import SWARM, lease, node_key


@given(st.binary(min_size=4, max_size=4))
def test_an_id_of_a_key_is_a_uuid_of_version_8_and_certifies_it(salt: bytes) -> None:
    producer_id = certified_id(SWARM, node_key(1).public, salt)
    assert (producer_id.version, producer_id.variant) == (8, RFC_4122)
    assert certified(SWARM, producer_id, node_key(1).public)


def test_it_certifies_no_other_key_and_no_other_swarm() -> None:
    producer_id = certified_id(SWARM, node_key(1).public, b"salt")
    assert not certified(SWARM, producer_id, node_key(2).public)
    assert not certified(bytes(16), producer_id, node_key(1).public)


def test_an_id_that_a_publisher_chose_certifies_nobody() -> None:
    for chosen in (uuid4(), UUID(int=0), UUID(bytes=b"\x88" * 16)):
        assert not certified(SWARM, chosen, node_key(1).public)


@pytest.mark.parametrize("salt", [b"", b"123", b"12345"])
def test_a_salt_of_another_length_is_the_caller_s_mistake(salt: bytes) -> None:
    with pytest.raises(LocalError):
        certified_id(SWARM, node_key(1).public, salt)


def test_the_owner_of_an_id_outranks_every_other_claim_to_it() -> None:
    own = certified_id(SWARM, node_key(1).public, b"salt")
    claims = [lease(owner, producer_id=own, epoch=owner) for owner in (3, 1, 2)]
    assert [claim.owner for claim in standing(claims)] == [node_key(n).public for n in (1, 3, 2)]


def test_a_node_s_own_lease_has_an_id_of_its_key() -> None:
    assert certified(SWARM, node_lease_id(SWARM, node_key(1).public), node_key(1).public)
