"""What docs/protocol-dht.md says about bytes is what the code sends and understands."""

import re
from pathlib import Path
from uuid import UUID

import pytest

from dht.envelope import Envelope
from dht.lease import producer_key, validate
from dht.messages import Answer, Request, Retry, parse, parse_found, parse_present, parse_stored
from dht.messages import _methods as methods
from dht.peers_file import load_peers
from dht.presence import check_presence
from foundation.errors import RemoteError
from foundation.identity import NodeKey, node_id, swarm_id, swarm_origin
from tests.unit.dht.protocol_samples import section

DOCUMENT = (Path(__file__).parents[3] / "docs" / "protocol-dht.md").read_text()
_, _, SECTION = DOCUMENT.partition("\n## Samples\n")


def fact(name: str) -> str:
    found = re.search(rf"^    {re.escape(name)} +(\S+)$", SECTION, re.M)
    assert found, name
    return found[1]


def sample(title: str) -> bytes:
    """The bytes that stand under a title."""
    found = re.search(rf"^{re.escape(title)}, (\d+) bytes:\n\n((?:    .+\n)+)", SECTION, re.M)
    assert found, title
    data = b"".join(bytes.fromhex(line.split()[0]) for line in found[2].splitlines())
    assert len(data) == int(found[1])
    return data


SWARM = bytes.fromhex(fact("swarm id"))
NAMES = [
    "Ping",
    "Answer to a ping",
    "find_node",
    "find_value",
    "Answer to a find_value",
    "store",
    "Answer to a store",
    "ask",
    "Answer to an ask",
]
WALL_MS = int.from_bytes(sample("Ping")[6:14], "big")


def opened(title: str) -> Request | Answer | Retry:
    envelope = Envelope(SWARM, [bytes.fromhex(fact("swarm key"))])
    return parse(envelope.open(sample(title), WALL_MS))


def test_the_samples_are_what_the_code_makes_now() -> None:
    assert SECTION.endswith(section()), "run `python -m tests.unit.dht.protocol_samples`"


def test_the_ids_follow_from_the_keys() -> None:
    assert swarm_origin(bytes.fromhex(fact("swarm key"))).hex() == fact("swarm's origin")
    assert swarm_id(fact("swarm's name"), bytes.fromhex(fact("swarm's origin"))) == SWARM
    for who, seed in (("asker", "asker's seed (RFC 8032)"), ("owner", "owner's seed")):
        public = NodeKey.from_seed(bytes.fromhex(fact(seed))).public
        assert public.hex() == fact(f"{who}'s public key")
        assert node_id(SWARM, public).hex() == fact(f"{who}'s node id")


@pytest.mark.parametrize("title", [*NAMES, "Retry"])
def test_every_datagram_is_opened_and_parsed(title: str) -> None:
    message = opened(title)
    assert message.id == b"question"
    assert message.sender.hex() in (fact("asker's node id"), fact("owner's node id"))


@pytest.mark.parametrize("title", NAMES)
def test_a_datagram_with_any_byte_changed_is_not(title: str) -> None:
    data = sample(title)
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(RemoteError):
            Envelope(SWARM, [bytes.fromhex(fact("swarm key"))]).open(changed, WALL_MS)


def test_the_proof_of_presence_holds() -> None:
    ping, answer = opened("Ping"), opened("Answer to a ping")
    assert isinstance(ping, Request)
    assert isinstance(answer, Answer)
    nonce, asked = ping.arguments
    check_presence(parse_present(answer.result), SWARM, nonce, ping.sender, answer.sender, asked)


def test_the_leases_are_valid_and_their_owner_s() -> None:
    answer, store = opened("Answer to a find_value"), opened("store")
    assert isinstance(answer, Answer)
    assert isinstance(store, Request)
    (record,) = parse_found(answer.result).records
    tombstone, own = store.arguments[0], sample("A bound lease of an id of its owner's")
    asked = opened("find_value")
    assert isinstance(asked, Request)
    key = asked.arguments[0]
    lease, gone = (validate(each, SWARM, key, WALL_MS) for each in (record, tombstone))
    assert (lease.tombstone, gone.tombstone) == (False, True)
    assert gone.rank > lease.rank
    assert lease.owner_id.hex() == store.sender.hex() == fact("owner's node id")
    bound = validate(own, SWARM, producer_key(SWARM, UUID(fact("owner's id with the salt `salt`"))), WALL_MS)
    assert bound.bound
    assert bound.rank[0]


def test_the_answer_to_a_store_is_read() -> None:
    answer = opened("Answer to a store")
    assert isinstance(answer, Answer)
    assert parse_stored(answer.result).outcome.held


def test_the_file_of_peers_is_read(tmp_path: Path) -> None:
    (tmp_path / "peers").write_bytes(sample("A file of peers"))
    (peer,) = load_peers(tmp_path / "peers")
    assert peer.public.hex() == fact("owner's public key")


def test_every_method_stands_in_the_table_under_its_number() -> None:
    for number, method in enumerate(methods):
        assert f"| {number} | `{method}` |" in DOCUMENT
