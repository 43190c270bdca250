"""Rejected sections of an answer become readable for aiortc."""

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.client.answer import readable_answer

OFFER = """v=0
o=- 1 1 IN IP4 0.0.0.0
s=-
t=0 0
a=group:BUNDLE 0 1
m=audio 9 UDP/TLS/RTP/SAVPF 96
c=IN IP4 0.0.0.0
a=recvonly
a=mid:0
a=rtcp-mux
a=rtpmap:96 opus/48000/2
a=ice-ufrag:AAAA
a=ice-pwd:aaaaaaaaaaaaaaaaaaaaaa
a=setup:actpass
m=video 9 UDP/TLS/RTP/SAVPF 97
c=IN IP4 0.0.0.0
a=recvonly
a=mid:1
a=rtcp-mux
a=rtpmap:97 VP8/90000
a=ice-ufrag:AAAA
a=ice-pwd:aaaaaaaaaaaaaaaaaaaaaa
a=setup:actpass
""".replace("\n", "\r\n")

SESSION = "v=0\r\no=- 2 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-lite\r\na=group:BUNDLE 1\r\n"
REJECTED = "m=audio 0 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\na=mid:0\r\n"
ACCEPTED = (
    "m=video 7400 UDP/TLS/RTP/SAVPF 97\r\nc=IN IP4 127.0.0.1\r\na=sendonly\r\na=mid:1\r\na=rtcp-mux\r\n"
    "a=rtpmap:97 VP8/90000\r\na=ice-ufrag:BBBB\r\na=ice-pwd:bbbbbbbbbbbbbbbbbbbbbb\r\na=fingerprint:sha-256 AA:BB\r\n"
    "a=setup:passive\r\na=candidate:1 1 udp 1 127.0.0.1 7400 typ host\r\na=end-of-candidates\r\n"
)


def test_an_answer_without_rejections_is_left_alone() -> None:
    answer = SESSION + ACCEPTED.replace("video", "audio").replace("mid:1", "mid:0") + ACCEPTED
    assert readable_answer(OFFER, answer) == answer


def test_a_rejected_section_becomes_inactive_on_the_accepted_transport() -> None:
    parsed = SessionDescription.parse(readable_answer(OFFER, SESSION + REJECTED + ACCEPTED))
    audio, video = parsed.media
    assert (audio.direction, video.direction) == ("inactive", "sendonly")
    assert audio.rtp.muxId == "0"
    assert [codec.payloadType for codec in audio.rtp.codecs] == [96]
    assert audio.ice == video.ice
    assert audio.dtls == video.dtls
    assert audio.rtcp_mux


def test_a_bundle_only_section_is_no_rejection() -> None:
    bundled = ACCEPTED.replace("m=video 7400", "m=video 0") + "a=bundle-only\r\n"
    answer = SESSION + ACCEPTED.replace("video", "audio").replace("mid:1", "mid:0") + bundled
    assert readable_answer(OFFER, answer) == answer


def test_an_answer_which_rejects_everything_is_refused() -> None:
    with pytest.raises(ValueError, match="every media section"):
        readable_answer(OFFER, SESSION + REJECTED + ACCEPTED.replace("video 7400", "video 0"))


def test_an_answer_with_another_number_of_sections_is_refused() -> None:
    with pytest.raises(ValueError, match="1 media sections for the 2"):
        readable_answer(OFFER, SESSION + ACCEPTED)


def test_an_answer_cut_anywhere_raises_nothing_but_value_errors() -> None:
    whole = SESSION + REJECTED + ACCEPTED
    for length in range(len(whole)):
        try:
            readable_answer(OFFER, whole[:length])
        except ValueError:
            continue


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=300))
def test_text_that_is_no_sdp_raises_nothing_but_value_errors(text: str) -> None:
    for answer in (text, SESSION + text, SESSION + "m=" + text):
        try:
            readable_answer(OFFER, answer)
        except ValueError:
            continue
