from hypothesis import given
from hypothesis import strategies as st

from dht.messages import TOKEN_BYTES
from dht.tokens import AddressTokens

HERE, THERE = ("192.0.2.1", 7400), ("192.0.2.2", 7400)


def test_a_token_is_good_for_its_address() -> None:
    tokens = AddressTokens(b"s" * 32)
    token = tokens.issue(HERE, 0.0)
    assert len(token) == TOKEN_BYTES
    assert tokens.valid(token, HERE, 0.0)


def test_a_token_is_good_for_no_other_address_or_port() -> None:
    tokens = AddressTokens(b"s" * 32)
    token = tokens.issue(HERE, 0.0)
    assert not tokens.valid(token, THERE, 0.0)
    assert not tokens.valid(token, (HERE[0], 1), 0.0)


def test_a_token_lasts_five_minutes_and_at_most_ten() -> None:
    tokens = AddressTokens(b"s" * 32)
    token = tokens.issue(HERE, 299.0)
    assert tokens.valid(token, HERE, 599.0)
    assert not tokens.valid(token, HERE, 600.0)


def test_another_node_s_token_is_of_no_use() -> None:
    assert not AddressTokens(b"s" * 32).valid(AddressTokens(b"t" * 32).issue(HERE, 0.0), HERE, 0.0)


@given(st.binary(max_size=16))
def test_a_guessed_token_is_refused(guess: bytes) -> None:
    assert not AddressTokens(b"s" * 32).valid(guess, HERE, 0.0)
