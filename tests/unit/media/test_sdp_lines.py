"""The text of a session description as sections."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from foundation.errors import BadOffer
from media.sdp_lines import split_sections


def test_attributes_are_kept_by_section_and_name_in_order() -> None:
    session, (audio, video) = split_sections(
        "v=0\r\na=group:LS 1\r\nm=audio x\r\na=b:1\r\na=b: 2 \r\na=c\r\nm=video\r\n"
    )
    assert session.attributes == {"group": ["LS 1"]}
    assert audio.head == "audio x"
    assert audio.attributes == {"b": ["1", "2"], "c": [""]}
    assert (video.head, video.attributes) == ("video", {})


def test_lines_may_end_in_lf_alone_and_be_empty() -> None:
    session, _ = split_sections("v=0\n\na=x:1\n\n")
    assert session.first("x") == "1"


def test_an_absent_attribute_has_no_values() -> None:
    session, _ = split_sections("v=0")
    assert session.first("x") is None
    assert list(session.all("x")) == []


@pytest.mark.parametrize("text", ["", "v=1\r\n", " v=0\r\n", "\r\nv=0\r\n", "a=x\r\nv=0\r\n", "V=0"])
def test_it_begins_with_the_version(text: str) -> None:
    with pytest.raises(BadOffer, match="v=0"):
        split_sections(text)


@pytest.mark.parametrize("line", ["x", "A=1", " a=x", "a", "=", "1=2", "é=1", "a=x\rm=video"])
def test_another_line_than_type_and_value_is_refused(line: str) -> None:
    with pytest.raises(BadOffer, match="line 2"):
        split_sections(f"v=0\r\n{line}\r\n")


@pytest.mark.parametrize("character", ["\0", "\x08", "\x0b", "\x0c", "\x1c", "\x1f", "\x7f"])
def test_control_characters_are_refused(character: str) -> None:
    with pytest.raises(BadOffer, match="control"):
        split_sections(f"v=0\r\na=x{character}\r\n")


def test_separators_of_other_alphabets_do_not_end_a_line() -> None:
    session, sections = split_sections("v=0\r\na=x:1\u2028m=audio\x85a=y:2\r\n")
    assert sections == []
    assert session.first("y") is None


def test_a_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(BadOffer, match="longer"):
        split_sections("v=0\r\n" + "a" * limits.offer_bytes_max)


def test_too_many_lines_are_refused() -> None:
    split_sections("v=0" + "\n" * (limits.sdp_lines_max - 1))
    with pytest.raises(BadOffer, match="lines"):
        split_sections("v=0" + "\n" * limits.sdp_lines_max)


@settings(deadline=None, max_examples=200)
@given(st.text() | st.text(alphabet="vamx=:0 \r\n").map("v=0\r\n".__add__))
def test_any_text_is_split_or_refused(text: str) -> None:
    try:
        session, sections = split_sections(text)
    except BadOffer:
        return
    for section in (session, *sections):
        assert "\n" not in section.head + "".join(value for values in section.attributes.values() for value in values)
