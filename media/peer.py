"""What the other end of a transport said about itself in its session description."""

from dataclasses import dataclass
from typing import Literal

Setup = Literal["actpass", "active", "passive"]


@dataclass(frozen=True, slots=True)
class RemotePeer:
    """ICE credentials (RFC 8445 section 5.3), certificate fingerprints and DTLS role (RFC 8842) of the remote end.

    `fingerprints` holds (algorithm, value) pairs as SDP spells them: `("sha-256", "AB:CD:...")`.
    `setup` is the remote end's own attribute: `passive` means that it waits for our ClientHello.
    """

    ufrag: str
    pwd: str
    fingerprints: tuple[tuple[str, str], ...]
    setup: Setup
