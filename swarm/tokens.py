"""Access tokens: JWTs (RFC 7519) that say what their bearer may do here, with which producers, and until when.

Claims: `exp`; `grants`, an array of `publish`, `play` and `admin`; optional `producers`, an array of UUIDs, and `sub`,
who the bearer is. Others are ignored. The key decides the algorithm, never the token (RFC 8725 section 3.1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from jwt.types import Options

from foundation import limits
from foundation.errors import BadToken, ConfigError
from swarm.identity import read_private, reason

SECRET_BYTES_MIN = 32
"""As many as HMAC-SHA-256 gives out; a shorter secret can be guessed from one token (RFC 7518 section 3.2)."""

_RSA_BITS_MIN = 2048
_CLOCK_SKEW_SECONDS = 5.0
_TIME_MAX = 2**53
_PEM = b"-----BEGIN"

_Key = bytes | Ed25519PublicKey | RSAPublicKey


class Grant(StrEnum):
    """What a token allows. `admin` is all of it."""

    PUBLISH = "publish"
    PLAY = "play"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Access:
    """What somebody may do. `producers` is None for all of them; `subject` is empty for nobody in particular."""

    grants: frozenset[str]
    producers: frozenset[UUID] | None = None
    subject: str = ""

    def allows(self, grant: Grant, producer: UUID | None = None) -> bool:
        """Whether this may be done; `producer` None asks for a new id of the node's choice."""
        if Grant.ADMIN in self.grants:
            return True
        return grant in self.grants and (self.producers is None or producer in self.producers)


EVERYTHING = Access(frozenset(Grant))
"""What a client on this machine may do at a node without a secret."""


class TokenKey:
    """The one key that tokens are checked with."""

    def __init__(self, key: _Key) -> None:
        self._key = key
        self._algorithm = _algorithm(key)

    def verify(self, token: str, wall_now: float) -> Access:
        """What the bearer of this token may do at Unix time `wall_now`. Raises `BadToken`, for whatever reason."""
        if len(token) > limits.token_chars_max:
            raise BadToken("the access token is too long")
        try:
            claims = jwt.decode(token, self._key, algorithms=[self._algorithm], options=_OPTIONS)
        except (jwt.PyJWTError, ValueError, RecursionError, OverflowError):
            raise BadToken("the access token is not valid") from None
        _check_times(claims, wall_now)
        return Access(_grants(claims), _producers(claims), _subject(claims))


def make_token(key: bytes | Ed25519PrivateKey | RSAPrivateKey, access: Access, expires: int) -> str:
    """A token for this access, good until Unix time `expires`."""
    claims: dict[str, Any] = {"exp": expires, "grants": sorted(access.grants)}
    if access.subject:
        claims["sub"] = access.subject
    if access.producers is not None:
        claims["producers"] = sorted(map(str, access.producers))
    return jwt.encode(claims, key, algorithm=_algorithm(key))


def load_token_key(path: str) -> TokenKey:
    """From a file with a secret, which only its owner may read, or a public key in PEM. Raises `ConfigError`."""
    data = _read(path)
    if not data.startswith(_PEM):
        return TokenKey(_secret(path))
    try:
        key = load_pem_public_key(data)
    except ValueError:
        raise ConfigError(f"{path}: there is no public key in this PEM file") from None
    if not isinstance(key, Ed25519PublicKey | RSAPublicKey):
        raise ConfigError(f"{path}: give a public key of Ed25519 or RSA")
    _check_size(path, key)
    return TokenKey(key)


def load_signing_key(path: str) -> bytes | Ed25519PrivateKey | RSAPrivateKey:
    """From a file with a secret or a private key in PEM, which only its owner may read. Raises `ConfigError`."""
    data = _read(path)
    if not data.startswith(_PEM):
        return _secret(path)
    try:
        key = load_pem_private_key(_read_private(path), None)
    except (ValueError, TypeError):
        raise ConfigError(f"{path}: there is no unencrypted private key in this PEM file") from None
    if not isinstance(key, Ed25519PrivateKey | RSAPrivateKey):
        raise ConfigError(f"{path}: give a private key of Ed25519 or RSA")
    _check_size(path, key)
    return key


_OPTIONS: Options = {
    # Times are checked here, with a clock that tests can set; `sub` and the rest have their own rules below.
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


def _algorithm(key: object) -> str:
    if isinstance(key, bytes):
        return "HS256"
    return "EdDSA" if isinstance(key, Ed25519PublicKey | Ed25519PrivateKey) else "RS256"


def _check_times(claims: Mapping[str, Any], wall_now: float) -> None:
    expires, begins = _time(claims.get("exp")), _time(claims.get("nbf", 0))
    if wall_now > expires + _CLOCK_SKEW_SECONDS or wall_now < begins - _CLOCK_SKEW_SECONDS:
        raise BadToken("the access token has expired, or is not yet good")


def _time(value: Any) -> float:
    """Unix time in seconds; JSON knows numbers beyond all times, and one that is no number (NaN) would never end."""
    if type(value) not in (int, float) or not 0 <= value <= _TIME_MAX:
        raise BadToken("the access token says not until when it is good")
    return float(value)


def _grants(claims: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(_texts(claims.get("grants"), "grants", limits.token_grants_max))


def _producers(claims: Mapping[str, Any]) -> frozenset[UUID] | None:
    if "producers" not in claims:
        return None
    try:
        return frozenset(map(UUID, _texts(claims["producers"], "producers", limits.token_producers_max)))
    except ValueError:
        raise BadToken("the access token names a producer that is no UUID") from None


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims.get("sub", "")
    if not isinstance(subject, str) or len(subject) > limits.token_subject_chars_max:
        raise BadToken("the access token has a malformed subject")
    return subject


def _texts(value: Any, claim: str, items_max: int) -> Sequence[str]:
    if not isinstance(value, list) or len(value) > items_max or not all(isinstance(item, str) for item in value):
        raise BadToken(f"the access token has malformed {claim}")
    return value


def _secret(path: str) -> bytes:
    secret = _read_private(path).strip()
    if len(secret) < SECRET_BYTES_MIN:
        raise ConfigError(
            f"{path}: a secret has at least {SECRET_BYTES_MIN} characters; 'openssl rand -hex 32' makes one"
        )
    return secret


def _read(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(limits.key_file_bytes_max)
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read ({reason(exc)})") from exc


def _read_private(path: str) -> bytes:
    try:
        return read_private(Path(path), limits.key_file_bytes_max)
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read ({reason(exc)})") from exc


def _check_size(path: str, key: object) -> None:
    if isinstance(key, RSAPublicKey | RSAPrivateKey) and key.key_size < _RSA_BITS_MIN:
        raise ConfigError(f"{path}: an RSA key has at least {_RSA_BITS_MIN} bits")
