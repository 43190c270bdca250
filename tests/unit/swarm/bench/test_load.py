"""The raw clients read answers, know keyframes, and can leave counting to the kernel."""

import asyncio
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.errors import RemoteError
from media.keyframe import starts_keyframe
from swarm.bench.kernel_count import refuse_rtp, refused
from swarm.bench.load import offer, open_socket, read_answer, starts_vp8_keyframe

ANSWER = "\r\n".join(
    [
        "a=ice-ufrag:u",
        "a=ice-pwd:p",
        "a=fingerprint:sha-256 AA:BB",
        "a=candidate:1 1 udp 2130706431 127.0.0.1 7400 typ host",
    ]
)


def test_what_a_client_needs_is_read_from_an_answer() -> None:
    answer = read_answer(ANSWER, "http://h/s")
    assert (answer.ufrag, answer.pwd, answer.fingerprint) == ("u", "p", "AA:BB")
    assert (answer.address, answer.session) == (("127.0.0.1", 7400), "http://h/s")


@pytest.mark.parametrize("name", ["ice-ufrag", "ice-pwd", "fingerprint", "candidate"])
def test_an_answer_that_lacks_something_is_refused(name: str) -> None:
    with pytest.raises(RemoteError, match=name):
        read_answer(ANSWER.replace(f"a={name}", "a=x"), "")


def test_only_a_publisher_names_its_ssrc() -> None:
    assert "a=ssrc:7 " in offer("sendonly", "AA", "u", "p", 7)
    assert "a=ssrc" not in offer("recvonly", "AA", "u", "p", None)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=20))
def test_keyframes_are_seen_as_the_node_sees_them(payload: bytes) -> None:
    assert starts_vp8_keyframe(b"\x80\x60" + bytes(10) + payload) == starts_keyframe("VP8", payload)


async def test_the_kernel_counts_rtp_and_passes_everything_else() -> None:
    receiver, sender = open_socket("127.0.0.1"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        refuse_rtp(receiver)
        before = refused(receiver)
        stun, dtls, rtcp = b"\x00\x01", b"\x16\xfe", b"\x80\xc8"
        for datagram in (b"\x80\x60", stun, b"\x90\xe0", dtls, b"\x80\x7f", rtcp):
            sender.sendto(datagram, receiver.getsockname())
        async with asyncio.timeout(10):
            got = [await asyncio.get_running_loop().sock_recv(receiver, 100) for _ in range(3)]
        assert got == [stun, dtls, rtcp]
        assert refused(receiver) - before == 3
    finally:
        receiver.close()
        sender.close()
