from typing import Any

import pytest

from dht.messages import Present
from dht.presence import check_presence, prove
from foundation.errors import RemoteError
from foundation.identity import node_id
from tests.unit.dht.samples import SWARM, node_key

ASKER, ANSWERING = (node_id(SWARM, node_key(number).public) for number in (1, 2))
ASKED, OBSERVED = ("192.0.2.2", 7400), ("2001:db8::1", 7400)
NONCE = b"n" * 16


def proof(**changes: Any) -> Present:
    said = {"nonce": NONCE, "asker": ASKER, "own_id": ANSWERING, "asked": ASKED, "observed": OBSERVED, **changes}
    return Present(OBSERVED, node_key(2).public, prove(node_key(2), **said))


def test_a_node_proves_its_id_its_address_and_what_it_sees() -> None:
    check_presence(proof(), SWARM, NONCE, ASKER, ANSWERING, ASKED)


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": b"m" * 16},
        {"asker": ANSWERING},
        {"own_id": ASKER},
        {"asked": ("192.0.2.2", 7401)},
        {"asked": ("192.0.2.3", 7400)},
        {"observed": ("2001:db8::2", 7400)},
    ],
)
def test_a_proof_of_something_else_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(RemoteError, match="prove"):
        check_presence(proof(**changes), SWARM, NONCE, ASKER, ANSWERING, ASKED)


def test_a_key_that_is_not_of_the_id_is_refused() -> None:
    with pytest.raises(RemoteError, match="key"):
        check_presence(proof(), SWARM, NONCE, ASKER, ASKER, ASKED)


@pytest.mark.parametrize("signature", [b"", bytes(64), bytes(63)])
def test_a_forged_proof_is_refused(signature: bytes) -> None:
    with pytest.raises(RemoteError):
        check_presence(Present(OBSERVED, node_key(2).public, signature), SWARM, NONCE, ASKER, ANSWERING, ASKED)
