"""Trickle-ICE fragments as bytes from anybody."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.errors import RemoteError
from swarm.http.fragment import OfferedUfrags, fragment_ufrags

WHOLE = (
    "a=ice-options:trickle ice2\r\na=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:video0\r\n"
    "a=ice-ufrag:ab+/\r\na=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\n"
    "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0\r\n"
    "a=candidate:473322822 1 TCP 1518280447 2001:db8::1 9 typ srflx raddr 0.0.0.0 rport 9 tcptype active\r\n"
    "a=candidate:2 1 udp 1 8ec0a1a0-1b7b-4e6c-9f5c-0f4d2a1b3c4d.local 5000 typ host\r\n"
    "a=end-of-candidates\r\n"
)


def test_the_names_of_a_whole_fragment_are_found() -> None:
    assert fragment_ufrags(WHOLE) == {"ab+/"}


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n\r\n"])
def test_line_ends_of_any_system_are_taken(end: str) -> None:
    assert fragment_ufrags(WHOLE.replace("\r\n", end)) == {"ab+/"}


def test_the_empty_candidate_that_browsers_end_with_is_taken() -> None:
    assert fragment_ufrags("a=mid:0\r\na=candidate:\r\na=\r\n") == frozenset()


@pytest.mark.parametrize("cut", range(len(WHOLE)))
def test_a_truncated_fragment_is_taken_or_refused_and_nothing_else(cut: int) -> None:
    with contextlib.suppress(RemoteError):
        assert fragment_ufrags(WHOLE[:cut]) <= {"ab+/"}


@pytest.mark.parametrize(
    "fragment",
    [
        "",
        "\r\n",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n",
        "v=0",
        WHOLE + "trailing",
        WHOLE + "A=b\r\n",
        WHOLE + "a=x\0y\r\n",
        WHOLE + "a=ice-ufrag:abc\r\n",
        WHOLE + "a=ice-ufrag:ab cd\r\n",
        WHOLE + "a=ice-ufrag:" + "a" * 257,
        "a=candidate:1 1 udp 1 192.0.2.1 5000\r\n",
        "a=candidate:1 x udp 1 192.0.2.1 5000 typ host\r\n",
        "a=candidate:1 1 udp 1 192.0.2.1 500000 typ host\r\n",
    ],
)
def test_what_is_no_fragment_is_refused(fragment: str) -> None:
    with pytest.raises(RemoteError):
        fragment_ufrags(fragment)


@settings(deadline=None, max_examples=200)
@given(st.one_of(st.text(), st.lists(st.sampled_from(WHOLE.split("\r\n")) | st.text()).map("\r\n".join)))
def test_any_text_is_taken_or_refused_and_nothing_else(text: str) -> None:
    with contextlib.suppress(RemoteError):
        fragment_ufrags(text)


def test_a_name_that_was_not_offered_is_a_restart() -> None:
    offered = OfferedUfrags(sessions_max=2)
    offered.remember("s", "a=ice-ufrag:one1\r\na=ice-ufrag:two2\r\n")
    assert not offered.is_restart("s", frozenset({"one1"}))
    assert not offered.is_restart("s", frozenset())
    assert offered.is_restart("s", frozenset({"three3"}))


def test_of_an_unknown_session_nothing_is_called_a_restart() -> None:
    offered = OfferedUfrags(sessions_max=2)
    offered.remember("s", "a=ice-ufrag:one1")
    offered.forget("s")
    offered.forget("s")
    assert not offered.is_restart("s", frozenset({"three3"}))


def test_the_oldest_session_makes_room() -> None:
    offered = OfferedUfrags(sessions_max=2)
    for session in "abc":
        offered.remember(session, "a=ice-ufrag:one1")
    assert len(offered) == 2
    assert not offered.is_restart("a", frozenset({"three3"}))
    assert offered.is_restart("c", frozenset({"three3"}))
