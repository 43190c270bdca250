"""Access tokens: what was written is read back, and nothing else gets anybody in."""

import json
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from foundation.errors import BadToken, ConfigError
from swarm.tokens import Access, Grant, TokenKey, load_signing_key, load_token_key, make_token

P = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
Q = UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
NOW = 1_700_000_000
SECRET = b"0123456789abcdef0123456789abcdef"
KEY = TokenKey(SECRET)
ACCESS = Access(frozenset({Grant.PUBLISH, Grant.PLAY}), frozenset({P}), "studio")

_rsa = rsa.generate_private_key(65537, 2048)
_ed = ed25519.Ed25519PrivateKey.generate()


def _token(**claims: Any) -> str:
    return jwt.encode({"exp": NOW + 60, "grants": ["play"]} | claims, SECRET, algorithm="HS256")


def _pem(key: Any) -> bytes:
    public: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return public


def _private_pem(key: Any) -> bytes:
    private: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private


def _file(path: Path, data: bytes, mode: int = 0o600) -> str:
    path.write_bytes(data)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    ("signing", "checking"),
    [(SECRET, SECRET), (_ed, _ed.public_key()), (_rsa, _rsa.public_key())],
    ids=["secret", "ed25519", "rsa"],
)
def test_a_token_that_was_made_is_read_back(signing: Any, checking: Any) -> None:
    assert TokenKey(checking).verify(make_token(signing, ACCESS, NOW + 60), NOW) == ACCESS


def test_a_token_without_producers_is_for_all_of_them() -> None:
    access = KEY.verify(_token(), NOW)
    assert access.allows(Grant.PLAY, P)
    assert not access.allows(Grant.PUBLISH, P)


def test_a_token_for_one_producer_is_for_no_other_and_for_no_new_one() -> None:
    access = KEY.verify(_token(producers=[str(P)]), NOW)
    assert access.allows(Grant.PLAY, P)
    assert not access.allows(Grant.PLAY, Q)
    assert not access.allows(Grant.PLAY, None)


def test_an_empty_list_of_producers_allows_none() -> None:
    assert not KEY.verify(_token(producers=[]), NOW).allows(Grant.PLAY, P)


def test_an_admin_may_do_everything() -> None:
    access = KEY.verify(_token(grants=["admin"], producers=[str(P)]), NOW)
    assert all(access.allows(grant, Q) for grant in Grant)


def test_a_grant_of_a_newer_version_is_kept_and_allows_nothing_known() -> None:
    access = KEY.verify(_token(grants=["dance"]), NOW)
    assert not any(access.allows(grant, P) for grant in Grant)


def test_a_token_is_good_until_it_expires() -> None:
    assert KEY.verify(_token(exp=NOW), NOW)
    with pytest.raises(BadToken):
        KEY.verify(_token(exp=NOW - 6), NOW)


def test_a_token_that_is_not_yet_good_is_refused() -> None:
    assert KEY.verify(_token(nbf=NOW + 4), NOW)
    with pytest.raises(BadToken):
        KEY.verify(_token(nbf=NOW + 6), NOW)


@pytest.mark.parametrize("expires", [None, "1800000000", True, [NOW + 60], {}])
def test_a_token_without_a_proper_end_is_refused(expires: Any) -> None:
    claims = {"grants": ["play"]} | ({} if expires is None else {"exp": expires})
    with pytest.raises(BadToken):
        KEY.verify(jwt.encode(claims, SECRET, algorithm="HS256"), NOW)


@pytest.mark.parametrize(
    "claims",
    [
        {"grants": "play"},
        {"grants": None},
        {"grants": [1]},
        {"grants": ["play"] * 17},
        {"producers": str(P)},
        {"producers": None},
        {"producers": ["not-a-uuid"]},
        {"producers": [str(P)] * 65},
        {"sub": 7},
        {"sub": "x" * 257},
        {"exp": 10**400},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"nbf": "soon"},
    ],
    ids=lambda claims: next(iter(claims)),
)
def test_a_claim_of_a_wrong_kind_is_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(BadToken):
        KEY.verify(_token(**claims), NOW)


def test_a_token_of_another_secret_is_refused() -> None:
    with pytest.raises(BadToken):
        TokenKey(b"x" * 32).verify(_token(), NOW)


def test_the_token_does_not_choose_how_it_is_checked() -> None:
    """Neither `none`, nor the public key taken for a secret (RFC 8725 section 2.1)."""
    head, body = (
        urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in ({"alg": "none", "typ": "JWT"}, {"exp": NOW + 60, "grants": ["admin"]})
    )
    for key in (KEY, TokenKey(_rsa.public_key()), TokenKey(_ed.public_key())):
        with pytest.raises(BadToken):
            key.verify(f"{head}.{body}.", NOW)
    secret = _pem(_rsa.public_key())
    signed = jwt.api_jws.PyJWS().encode(b'{"exp":1800000000,"grants":["admin"]}', b"x" * 32, algorithm="HS256")
    assert secret
    with pytest.raises(BadToken):
        TokenKey(_rsa.public_key()).verify(signed, NOW)


def test_a_truncated_token_is_refused_at_every_length() -> None:
    token = make_token(SECRET, ACCESS, NOW + 60)
    for length in range(len(token)):
        with pytest.raises(BadToken):
            KEY.verify(token[:length], NOW)


def test_a_token_beyond_its_bound_is_refused_unread() -> None:
    with pytest.raises(BadToken, match="too long"):
        KEY.verify("x" * (limits.token_chars_max + 1), NOW)


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]{1,80}\.[A-Za-z0-9_-]{1,80}\.[A-Za-z0-9_-]{0,60}"))
def test_random_text_is_refused(token: str) -> None:
    with pytest.raises(BadToken):
        KEY.verify(token, NOW)


@settings(deadline=None, max_examples=200)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    )
)
def test_any_signed_claims_are_read_or_refused(value: Any) -> None:
    payload = json.dumps(value).encode()
    token = jwt.api_jws.PyJWS().encode(payload, SECRET, algorithm="HS256")
    with pytest.raises(BadToken):
        KEY.verify(token, NOW)


def test_a_refusal_never_tells_the_token() -> None:
    token = _token(grants="play")
    with pytest.raises(BadToken) as caught:
        KEY.verify(token, NOW)
    assert token not in str(caught.value)
    assert caught.value.__cause__ is None


def test_keys_are_read_from_files(tmp_path: Path) -> None:
    secret = _file(tmp_path / "secret", SECRET + b"\n")
    public = _file(tmp_path / "public.pem", _pem(_ed.public_key()), 0o644)
    private = _file(tmp_path / "private.pem", _private_pem(_ed))
    token = make_token(load_signing_key(private), ACCESS, NOW + 60)
    assert load_token_key(public).verify(token, NOW) == ACCESS
    token = make_token(load_signing_key(secret), ACCESS, NOW + 60)
    assert load_token_key(secret).verify(token, NOW) == ACCESS


@pytest.mark.parametrize("load", [load_token_key, load_signing_key])
def test_a_secret_that_others_may_read_is_refused(load: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="chmod 600"):
        load(_file(tmp_path / "secret", SECRET, 0o644))


@pytest.mark.parametrize("load", [load_token_key, load_signing_key])
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"short", "at least 32"),
        (b"", "at least 32"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no .*key in this PEM"),
        (b"-----BEGIN", "no .*key in this PEM"),
    ],
)
def test_a_file_that_is_no_key_is_refused_with_a_sentence(load: Any, data: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        load(_file(tmp_path / "key", data))


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(ConfigError, match="Ed25519 or RSA"):
        load_token_key(_file(tmp_path / "public", _pem(key.public_key())))
    with pytest.raises(ConfigError, match="Ed25519 or RSA"):
        load_signing_key(_file(tmp_path / "private", _private_pem(key)))


def test_a_small_rsa_key_is_refused(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 1024)
    with pytest.raises(ConfigError, match="2048 bits"):
        load_token_key(_file(tmp_path / "public", _pem(key.public_key())))


@pytest.mark.parametrize("load", [load_token_key, load_signing_key])
def test_a_missing_file_is_named(load: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        load(str(tmp_path / "nowhere"))
