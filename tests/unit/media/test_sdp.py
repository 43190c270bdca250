"""Whole offers: those of real clients, and those that are no offers at all."""

import re
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from foundation.errors import BadOffer
from media.sdp import Offer, parse_offer

OFFERS = {path.stem: path.read_bytes().decode() for path in sorted((Path(__file__).parent / "offers").glob("*.sdp"))}

FINGERPRINT = ":".join(["AB"] * 32)

SMALL = f"""v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE a v
m=audio 9 UDP/TLS/RTP/SAVPF 111
c=IN IP4 0.0.0.0
a=mid:a
a=ice-ufrag:abcd
a=ice-pwd:0123456789012345678901
a=fingerprint:sha-256 {FINGERPRINT}
a=setup:actpass
a=sendonly
a=rtcp-mux
a=rtpmap:111 opus/48000/2
m=video 9 UDP/TLS/RTP/SAVPF 96
c=IN IP4 0.0.0.0
a=mid:v
a=sendonly
a=rtcp-mux
a=rtpmap:96 VP8/90000
"""


def changed(old: str, new: str, count: int = 1) -> str:
    assert old in SMALL
    return SMALL.replace(old, new, count)


def refused(text: str, reason: str) -> None:
    with pytest.raises(BadOffer, match=reason):
        parse_offer(text)


# --- real clients ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OFFERS)
def test_the_offer_of_a_real_client_is_read(name: str) -> None:
    offer = parse_offer(OFFERS[name])
    kinds = [line.kind for line in offer.media if line.answerable]
    assert sorted(kinds) == ["audio", "video"]
    assert len(offer.media) == OFFERS[name].count("\nm=")
    assert [line.mid for line in offer.media] == re.findall(r"a=mid:(\S+)", OFFERS[name])
    assert offer.peer.setup == ("passive" if name.startswith("ffmpeg") else "actpass")
    assert dict(offer.peer.fingerprints).keys() >= {"sha-256"}


def test_credentials_may_have_slashes_and_plus_signs() -> None:
    peer = parse_offer(OFFERS["gstreamer_publish"]).peer
    assert peer.ufrag == "kS7/Rw0xQ2Zb+Yt5uHn8LpJd4EvGm1Ac"
    assert peer.pwd == "9fT3+hVw6/XqKz0sBn5LrUy8CgPe2MdJ"


def test_mids_are_kept_byte_for_byte() -> None:
    offer = parse_offer(OFFERS["gstreamer_publish"])
    assert [line.mid for line in offer.media] == ["video0", "audio1"]
    assert offer.bundle == ("video0", "audio1")


def test_transport_attributes_may_stand_in_the_session_part() -> None:
    peer = parse_offer(OFFERS["obs_publish"]).peer
    assert (peer.ufrag, peer.pwd, peer.setup) == ("Xq7b", "mT4/0cNvRk2Lw8yZsHd+aB", "actpass")


def test_all_strong_fingerprints_are_kept() -> None:
    assert [name for name, _ in parse_offer(OFFERS["aiortc_publish"]).peer.fingerprints] == [
        "sha-256",
        "sha-384",
        "sha-512",
    ]


def test_bundle_only_lines_are_wanted() -> None:
    for name in ("rfc9725_publish", "gstreamer_view"):
        assert parse_offer(OFFERS[name]).media[1].answerable


def test_the_ssrc_of_the_media_is_told_from_that_of_rtx() -> None:
    assert [line.ssrc for line in parse_offer(OFFERS["chromium_publish"]).media] == [3399979381, 2660625601]


def test_an_offer_without_any_ssrc_is_fine() -> None:
    assert parse_offer(OFFERS["chromium_simulcast"]).media[1].ssrc is None


# --- the one transport -----------------------------------------------------------------------------------------------


def test_the_first_line_of_the_group_speaks_for_the_transport() -> None:
    text = changed("BUNDLE a v", "BUNDLE v a").replace("a=mid:v", "a=mid:v\na=ice-ufrag:wxyz\na=ice-pwd:" + "z" * 22)
    peer = parse_offer(text).peer
    assert (peer.ufrag, peer.pwd) == ("wxyz", "z" * 22)
    assert peer.setup == "actpass"


def test_a_line_that_is_not_answered_does_not_speak_for_the_transport() -> None:
    data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=mid:d\na=ice-ufrag:wxyz\na=ice-pwd:" + "z" * 22
    assert parse_offer(changed("BUNDLE a v", "BUNDLE d a v") + data).peer.ufrag == "abcd"


def test_a_rejected_line_does_not_speak_for_the_transport() -> None:
    text = changed("m=audio 9", "m=audio 0")
    refused(text, "ice-ufrag")
    assert parse_offer(
        text + f"a=ice-ufrag:wxyz\na=ice-pwd:{'z' * 22}\na=fingerprint:sha-256 {FINGERPRINT}\na=setup:active"
    )


def test_a_lone_line_needs_no_group_and_no_mid() -> None:
    text = SMALL[: SMALL.index("m=video")].replace("a=group:BUNDLE a v\n", "").replace("a=mid:a\n", "")
    offer = parse_offer(text)
    assert offer.bundle == ()
    assert offer.media[0].mid == ""


@pytest.mark.parametrize("group", ["", "a=group:BUNDLE\n", "a=group:BUNDLE a\n", "a=group:LS a v\n", "a=group:\n"])
def test_lines_outside_of_one_bundle_are_refused(group: str) -> None:
    refused(changed("a=group:BUNDLE a v\n", group), "BUNDLE")
    refused(changed("a=group:BUNDLE a v\n", "a=group:BUNDLE a\na=group:BUNDLE v\n"), "BUNDLE")


def test_other_groups_and_unknown_mids_do_not_matter() -> None:
    offer = parse_offer(changed("a=group:BUNDLE a v", "a=group:LS a\na=group:BUNDLE a v v gone"))
    assert offer.bundle == ("a", "v")


def test_a_bundled_line_needs_a_mid() -> None:
    refused(changed("a=mid:v\n", ""), "mid")


def test_a_mid_of_two_lines_is_refused() -> None:
    refused(changed("a=mid:v", "a=mid:a"), "same mid")


def test_an_offer_without_a_wanted_line_is_refused() -> None:
    refused("v=0\r\n", "no m-line")
    refused(SMALL.replace(" 9 UDP", " 0 UDP"), "no m-line")


@pytest.mark.parametrize("ufrag", ["abc", "", "ab:d", "ab d", "äbcd", "x" * 257])
def test_a_malformed_ufrag_is_refused(ufrag: str) -> None:
    refused(changed("a=ice-ufrag:abcd", f"a=ice-ufrag:{ufrag}"), "ice-ufrag")


@pytest.mark.parametrize("pwd", ["", "x" * 21, "x" * 257, "x" * 22 + "=", "x" * 22 + " x"])
def test_a_malformed_password_is_refused(pwd: str) -> None:
    refused(changed("a=ice-pwd:0123456789012345678901", f"a=ice-pwd:{pwd}"), "ice-pwd")


@pytest.mark.parametrize("setup", ["", "holdconn", "ACTIVE", "x"])
def test_another_setup_is_refused(setup: str) -> None:
    refused(changed("a=setup:actpass", f"a=setup:{setup}"), "setup")


@pytest.mark.parametrize("missing", ["ice-ufrag", "ice-pwd", "fingerprint", "setup"])
def test_a_missing_transport_attribute_is_refused(missing: str) -> None:
    refused(re.sub(rf"a={missing}:.*\n", "", SMALL), missing)


def test_a_fingerprint_is_written_in_the_usual_case() -> None:
    peer = parse_offer(changed(f"sha-256 {FINGERPRINT}", f"SHA-256 {FINGERPRINT.lower()}")).peer
    assert peer.fingerprints == (("sha-256", FINGERPRINT),)


@pytest.mark.parametrize(
    "value", ["", "sha-256", "sha-256 AB", f"sha-384 {FINGERPRINT}", f"sha-256 {FINGERPRINT}:AB", f"sha-256 {'X' * 95}"]
)
def test_a_malformed_fingerprint_is_refused(value: str) -> None:
    refused(changed(f"sha-256 {FINGERPRINT}", value), "fingerprint")


def test_weak_fingerprints_do_not_count() -> None:
    weak = "a=fingerprint:sha-1 " + ":".join(["AB"] * 20)
    refused(changed(f"a=fingerprint:sha-256 {FINGERPRINT}", weak), "sha-256, sha-384 or sha-512")
    both = parse_offer(changed("a=setup", f"{weak}\na=setup"))
    assert [name for name, _ in both.peer.fingerprints] == ["sha-256"]


def test_too_many_fingerprints_are_refused() -> None:
    line = f"a=fingerprint:sha-256 {FINGERPRINT}\n"
    refused(changed(line, line * (limits.sdp_fingerprints_max + 1)), "fingerprints")
    assert len(parse_offer(changed(line, line * limits.sdp_fingerprints_max)).peer.fingerprints) == 1


def test_an_ice_lite_client_is_refused() -> None:
    refused(changed("t=0 0\n", "t=0 0\na=ice-lite\n"), "ICE-lite")


# --- hostile ones ----------------------------------------------------------------------------------------------------


def attempt(text: str) -> Offer | None:
    """The offer or None: any other exception than `BadOffer` fails the test."""
    try:
        return parse_offer(text)
    except BadOffer:
        return None


@pytest.mark.parametrize("name", OFFERS)
def test_an_offer_truncated_anywhere_is_read_or_refused(name: str) -> None:
    text = OFFERS[name]
    for end in range(len(text)):
        attempt(text[:end])


@pytest.mark.parametrize("name", OFFERS)
def test_an_offer_without_any_one_of_its_lines_is_read_or_refused(name: str) -> None:
    lines = OFFERS[name].splitlines(keepends=True)
    for index in range(len(lines)):
        attempt("".join(lines[:index] + lines[index + 1 :]))
        attempt("".join(lines[:index] + [lines[index]] * 2 + lines[index + 1 :]))


def test_thousands_of_m_lines_are_refused() -> None:
    refused(SMALL + "m=video 0 UDP/TLS/RTP/SAVPF 96\n" * 1000, "m-lines")
    most = limits.sdp_media_max - 2
    assert attempt(SMALL + "m=video 0 UDP/TLS/RTP/SAVPF 96\n" * most)


def test_thousands_of_candidates_are_refused() -> None:
    candidate = "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\n"
    refused(SMALL + candidate * 1000, "candidates")
    assert attempt(SMALL + candidate * limits.sdp_candidates_max)


def test_candidates_are_not_even_looked_at() -> None:
    assert attempt(SMALL + "a=candidate:nonsense\na=candidate\n")


@pytest.mark.parametrize("filler", ["a", "\n", "m=video 9 x 96\n", "a=fmtp:96 a=b;\n", "é", "\0"])
def test_a_megabyte_is_refused(filler: str) -> None:
    refused(SMALL + filler * (1_000_000 // len(filler)), "The SDP offer cannot be used")


@pytest.mark.parametrize(
    "line",
    [
        "a=group:BUNDLE a v" + " x" * 30_000,
        "a=group:BUNDLE a v" + " v" * 30_000,
        "m=video 9 UDP/TLS/RTP/SAVPF" + " 96" * 20_000,
        "a=fmtp:96 " + "a=b;" * 15_000,
        "a=fmtp:96 " + " " * 60_000 + "x",
        "a=fmtp:96 " + "a" * 60_000,
        "a=rtpmap:96" + " " * 60_000 + "VP8/90000",
        "a=extmap:1" + " " * 60_000 + "x",
        "a=ssrc-group:FID" + " 1" * 30_000,
        "a=fingerprint:sha-256 " + "AB:" * 20_000,
        "a=mid:" + "x" * 60_000,
    ],
)
def test_one_very_long_line_is_read_or_refused(line: str) -> None:
    session, media = SMALL.split("m=", 1)
    attempt(SMALL + line)
    attempt(f"{session}{line}\nm={media}")


@pytest.mark.parametrize(
    "line", ["a=ssrc:{} x\n", "a=fmtp:{} a=b\n", "a=rtpmap:{} x/1\n", "a=extmap:{} u:{}\n", "a={}\n"]
)
def test_as_many_lines_as_there_may_be_are_read_or_refused(line: str) -> None:
    attempt(SMALL + "".join(line.format(n, n) for n in range(limits.sdp_lines_max - 30)))


junk = st.text(max_size=8) | st.sampled_from(
    ["\r\n", "\n", "\r", "\0", " ", ":", "=", "m=", "a=", "a=mid:", "9" * 400, "-1", "\u2028", "0", "96", "/", ";"]
)
edits = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 40), st.booleans(), junk),
    min_size=1,
    max_size=8,
)


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(sorted(OFFERS)), edits)
def test_a_mutated_offer_is_read_or_refused(name: str, changes: list[tuple[float, int, bool, str]]) -> None:
    text = OFFERS[name]
    for place, length, copied, insertion in changes:
        start = int(place * len(text))
        kept = text[start : start + length] if copied else ""
        text = text[:start] + kept + insertion + kept + text[start + length :]
    attempt(text)


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(sorted(OFFERS)), st.randoms(use_true_random=False))
def test_shuffled_lines_are_read_or_refused(name: str, rng: Random) -> None:
    first, *rest = OFFERS[name].splitlines(keepends=True)
    rng.shuffle(rest)
    attempt(first + "".join(rest))
