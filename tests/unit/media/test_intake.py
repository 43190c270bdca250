from dataclasses import replace

import pytest

from foundation.errors import LocalError, RemoteError
from media.intake import intake_of
from media.parameters import Codec, HeaderExtension
from media.rtp import elements, parse_header
from tests.unit.media.rtp_samples import AUDIO, MID, TWCC, VIDEO, packet

OTHER = replace(VIDEO, codec=Codec("video/VP8", 90000, None, 100), extensions=(HeaderExtension(9, TWCC.uri),))


def test_equal_names_need_no_renaming() -> None:
    assert intake_of(VIDEO, replace(VIDEO, ssrc=1, mid="x", rtx_payload_type=99)) is None


def test_payload_type_and_extensions_become_those_of_the_producer() -> None:
    intake = intake_of(VIDEO, OTHER)
    assert intake is not None
    data = packet(7, 1, 2, payload_type=100, marker=True, block=b"\x91ab\x31cd")
    made, header = intake.renamed(data, parse_header(data))
    assert parse_header(made) == header
    assert (header.payload_type, header.marker, header.sequence_number) == (96, True, 1)
    (found,) = elements(made, header)
    assert (found[0], made[found[1] : found[1] + found[2]]) == (TWCC.id, b"ab")
    assert made[header.payload_start :] == data[header.payload_start :]


def test_a_packet_without_extensions_keeps_its_length() -> None:
    intake = intake_of(replace(VIDEO, extensions=(MID,)), OTHER)
    assert intake is not None
    data = packet(7, 1, payload_type=100)
    assert len(intake.renamed(data, parse_header(data))[0]) == len(data)


def test_malformed_extensions_are_refused() -> None:
    intake = intake_of(VIDEO, OTHER)
    assert intake is not None
    data = packet(7, 1, payload_type=100, block=b"\x9f\x01\x02\x03")
    with pytest.raises(RemoteError):
        intake.renamed(data, parse_header(data))


@pytest.mark.parametrize("codec", [Codec("video/H264", 90000, None, 96), Codec("video/VP8", 48000, None, 96)])
def test_a_codec_that_consumers_did_not_agree_on_is_refused(codec: Codec) -> None:
    with pytest.raises(LocalError):
        intake_of(VIDEO, replace(VIDEO, codec=codec))


def test_a_stream_of_the_same_codec_with_another_number_of_channels_is_refused() -> None:
    with pytest.raises(LocalError):
        intake_of(AUDIO, replace(AUDIO, codec=replace(AUDIO.codec, channels=1)))
