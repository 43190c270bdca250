"""Who may greet on a link: the record, the certificate and the swarm key have to fit together."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.errors import RemoteError
from foundation.identity import NodeKey, swarm_id
from swarm.greeting import Greeter, dial_ufrag, dialer_of, link_password, link_ufrag
from swarm.messages import Hello
from swarm.record import NodeRecord

NOW = 1_700_000_000.0
SECRET = b"k" * 32
PRIVATE = swarm_id("test", SECRET)
OPEN = swarm_id("test")


def _record(seed: int, swarm: bytes = PRIVATE, expires: float = NOW + 60) -> NodeRecord:
    key = NodeKey.from_seed(bytes([seed]) * 32)
    record = NodeRecord(swarm, key.public, (("127.0.0.1", 7400),), bytes([seed]) * 32, "", expires=expires)
    return replace(record, encoded=record.encode(key))


A, B, C = _record(1), _record(2), _record(3)


def _refused(hello: Hello, by: Greeter, fingerprint: bytes, expected: NodeRecord) -> str:
    with pytest.raises(RemoteError) as caught:
        by.check(hello, fingerprint, expected.node, NOW)
    return str(caught.value)


def test_two_nodes_of_a_private_swarm_greet_each_other() -> None:
    a, b = Greeter(A, SECRET), Greeter(B, SECRET)
    assert b.check(a.hello(B.fingerprint), A.fingerprint, A.node, NOW) == A
    assert a.check(b.hello(A.fingerprint), B.fingerprint, B.node, NOW) == B


def test_two_nodes_of_an_open_swarm_greet_each_other_without_a_proof() -> None:
    a, b = _record(1, OPEN), _record(2, OPEN)
    hello = Greeter(a, None).hello(b.fingerprint)
    assert hello.proof is None
    assert Greeter(b, None).check(hello, a.fingerprint, a.node, NOW) == a


def test_a_record_shown_with_another_certificate_is_refused() -> None:
    hello = Greeter(A, SECRET).hello(B.fingerprint)
    assert "another certificate" in _refused(hello, Greeter(B, SECRET), C.fingerprint, A)


def test_another_node_than_the_dialed_one_is_refused() -> None:
    hello = Greeter(A, SECRET).hello(B.fingerprint)
    assert "another node" in _refused(hello, Greeter(B, SECRET), A.fingerprint, C)


def test_a_node_of_another_swarm_is_refused() -> None:
    stranger = _record(1, OPEN)
    hello = Greeter(stranger, None).hello(B.fingerprint)
    assert "another swarm" in _refused(hello, Greeter(B, SECRET), stranger.fingerprint, stranger)


def test_an_expired_record_is_refused() -> None:
    old = _record(1, expires=NOW - 1)
    hello = Greeter(old, SECRET).hello(B.fingerprint)
    assert "expired" in _refused(hello, Greeter(B, SECRET), old.fingerprint, old)


def test_ones_own_key_is_refused() -> None:
    hello = Greeter(A, SECRET).hello(A.fingerprint)
    assert "own key" in _refused(hello, Greeter(A, SECRET), A.fingerprint, A)


@pytest.mark.parametrize("proof", [None, b"\0" * 32])
def test_a_hello_without_the_swarm_key_is_refused(proof: bytes | None) -> None:
    hello = Hello(A.encoded, proof)
    assert "swarm key" in _refused(hello, Greeter(B, SECRET), A.fingerprint, A)


def test_the_proof_of_one_link_is_worth_nothing_on_another() -> None:
    hello = Greeter(A, SECRET).hello(B.fingerprint)
    assert "swarm key" in _refused(hello, Greeter(C, SECRET), A.fingerprint, A)


def test_a_proof_cannot_be_sent_back() -> None:
    proof = Greeter(B, SECRET).hello(A.fingerprint).proof
    assert "swarm key" in _refused(Hello(A.encoded, proof), Greeter(B, SECRET), A.fingerprint, A)


def test_a_forged_record_is_refused() -> None:
    forged = A.encoded[:-1] + bytes([A.encoded[-1] ^ 1])
    hello = Hello(forged, Greeter(A, SECRET).hello(B.fingerprint).proof)
    assert "signature" in _refused(hello, Greeter(B, SECRET), A.fingerprint, A)


def test_a_dials_user_fragment_names_the_dialer() -> None:
    assert dialer_of(dial_ufrag(A.node, SECRET, b"\1" * 6)) == A.node
    assert dial_ufrag(A.node, SECRET, b"\1" * 6) != dial_ufrag(A.node, SECRET, b"\2" * 6)
    assert link_ufrag(A.node) == A.node.hex()


@pytest.mark.parametrize(
    "ufrag", ["", "abcd", A.node.hex(), A.node.hex() + "01" * 11, "zz" * 30, A.node.hex().upper() + "01" * 10]
)
def test_a_user_fragment_of_another_shape_is_nobodys(ufrag: str) -> None:
    with pytest.raises(RemoteError):
        dialer_of(ufrag)


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=60))
def test_random_text_is_nobodys_user_fragment(ufrag: str) -> None:
    with pytest.raises(RemoteError):
        dialer_of(ufrag)


def test_a_password_belongs_to_one_secret_and_one_direction() -> None:
    passwords = {
        link_password(secret, acceptor, dialer)
        for secret in (SECRET, OPEN)
        for acceptor, dialer in ((A.node, B.node), (B.node, A.node), (A.node, C.node))
    }
    assert len(passwords) == 6
    assert all(len(password) >= 22 for password in passwords)


def test_while_a_swarm_changes_its_key_nodes_with_either_key_dial_and_greet_each_other() -> None:
    new = b"n" * 32
    a, b = Greeter(A, SECRET, new), Greeter(B, new, SECRET)
    for one, other in ((a, b), (b, a)):
        ufrag, password = one.dial(other.me.node, b"\1" * 6)
        assert other.password_of(ufrag) == password
        assert other.check(one.hello(other.me.fingerprint), one.me.fingerprint, one.me.node, NOW) == one.me


def test_a_key_that_a_swarm_has_dropped_is_worth_nothing() -> None:
    new = b"n" * 32
    a, b = Greeter(A, SECRET), Greeter(B, new)
    assert b.password_of(a.dial(B.node, b"\1" * 6)[0]) is None
    assert "swarm key" in _refused(a.hello(B.fingerprint), b, A.fingerprint, A)


def test_in_an_open_swarm_the_password_is_made_of_the_swarm_id() -> None:
    a, b = (Greeter(_record(seed, OPEN), None) for seed in (1, 2))
    ufrag, password = a.dial(b.me.node, b"\1" * 6)
    assert b.password_of(ufrag) == password
    assert Greeter(B, SECRET).password_of(ufrag) is None
