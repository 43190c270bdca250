"""Every kind of datagram that a stranger may send: valid ones made by the project's own code, then spoiled."""

import random
import secrets
import time
from collections.abc import Iterator
from functools import cache
from itertools import islice

from aioice.stun import Class, Message, Method
from OpenSSL import SSL

from dht.envelope import Envelope
from dht.messages import MESSAGE_ID_BYTES, NONCE_BYTES, build_request
from dht.peer import pack_address
from foundation.identity import NodeKey, node_id, swarm_id
from media.dtls import DtlsIdentity
from media.srtp import AES_128_GCM, SendBuffer, Srtp, SrtpKeys
from swarm.greeting import dial_ufrag, link_ufrag

RTP = bytes([0x90, 96, 0, 1]) + bytes(8) + b"\xbe\xde\x00\x01\x10\xff\x00\x00" + b"\x10\x00picture"
_fingerprint_bytes = 8
"""What follows STUN's MESSAGE-INTEGRITY, and is not covered by it: changed there a check is a valid one."""

RTCP = bytes([0x81, 201, 0, 7]) + bytes(28)


def check(username: str, password: str, kind: Class = Class.REQUEST) -> bytes:
    """A STUN binding message as a full ICE agent sends it."""
    message = Message(Method.BINDING, kind)
    message.attributes["USERNAME"] = username
    message.attributes["PRIORITY"] = 1
    message.attributes["ICE-CONTROLLING"] = 1
    message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity(password.encode())
    return bytes(message)


@cache
def _identity() -> DtlsIdentity:
    return DtlsIdentity()


def client_hello() -> bytes:
    """The first flight of a DTLS client that wants SRTP."""
    context = SSL.Context(SSL.DTLS_METHOD)
    context.use_certificate(_identity().certificate._cert)
    context.use_privatekey(_identity().certificate._key)
    context.set_tlsext_use_srtp(AES_128_GCM.name.encode())
    connection = SSL.Connection(context)
    connection.set_connect_state()
    try:
        connection.do_handshake()
    except SSL.WantReadError:
        return connection.bio_read(2000)
    raise AssertionError("a handshake needs two")


def srtp(packet: bytes, rtcp: bool = False) -> bytes:
    """A packet under keys which nobody has."""
    half = (secrets.token_bytes(AES_128_GCM.key_bytes + AES_128_GCM.salt_bytes) for _ in range(2))
    sender = Srtp(SrtpKeys(AES_128_GCM, *half))
    if rtcp:
        return sender.protect_rtcp(packet)
    buffer = SendBuffer()
    buffer.view[: len(packet)] = packet
    return bytes(buffer.view[: sender.protect_at(buffer.cdata, 0, len(packet))])


def dht(swarm: str = "default") -> bytes:
    """A ping as a node of this swarm sends it to one it does not know."""
    sender = node_id(swarm_id(swarm), NodeKey.generate().public)
    nonce, asked = secrets.token_bytes(NONCE_BYTES), pack_address(("127.0.0.1", 7400))
    body = build_request(secrets.token_bytes(MESSAGE_ID_BYTES), sender, "ping", nonce, asked)
    return Envelope(swarm_id(swarm)).seal(body, int(time.time() * 1000))


def truncated(data: bytes) -> Iterator[bytes]:
    """At every length but the whole."""
    return (data[:length] for length in range(len(data)))


def tampered(data: bytes) -> Iterator[bytes]:
    """With each byte changed in turn."""
    return (data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :] for at in range(len(data)))


def noise(rng: random.Random) -> Iterator[bytes]:
    """Nothing, every first byte alone and before random ones, and random ones of any length."""
    yield b""
    for first in range(256):
        yield bytes([first])
        yield bytes([first]) + rng.randbytes(60)
    for _ in range(100):
        yield rng.randbytes(rng.randrange(1, 1500))


def stun(username: str, password: str, node: bytes) -> Iterator[bytes]:
    """Forged checks for a live session with this user name and password, and for the link listener of a node."""
    valid = check(username, password)
    yield from truncated(valid)
    yield from islice(tampered(valid), len(valid) - _fingerprint_bytes)
    link = f"{link_ufrag(node)}:{dial_ufrag(secrets.token_bytes(20), swarm_id('default'), secrets.token_bytes(6))}"
    for kind in (Class.REQUEST, Class.INDICATION, Class.RESPONSE, Class.ERROR):
        for name in (username, "nobody:here", f"{link_ufrag(node)}:short", link, ":", "x" * 500):
            yield check(name, "a guess of 24 characters", kind)
    yield bytes(Message(Method.BINDING, Class.REQUEST))


def dtls_and_srtp() -> Iterator[bytes]:
    for valid in (client_hello(), srtp(RTP), srtp(RTCP, rtcp=True), RTP, RTCP):
        yield from truncated(valid)
        yield valid


def directory() -> Iterator[bytes]:
    """Spoiled, too long, and of another swarm."""
    valid = dht()
    yield from truncated(valid)
    yield from tampered(valid)
    yield valid + b"\0"
    yield dht(swarm="another")
