from dataclasses import replace

from media.parameters import TrackParameters
from media.pipe import PipeTransport
from tests.unit.media.rtp_samples import AUDIO, VIDEO, Client, Node


def piped(*published: TrackParameters) -> tuple[TrackParameters, ...]:
    """The tracks of a published producer as they go out on a link."""
    node = Node()
    return PipeTransport(Client(node).session).pipe_out(Client(node).publish(*published))


def test_every_track_of_a_pipe_has_an_ssrc_of_its_own_and_another_for_rtx() -> None:
    tracks = piped(VIDEO, AUDIO)
    ssrcs = {ssrc for track in tracks for ssrc in (track.ssrc, track.rtx_ssrc)}
    assert len(ssrcs) == 4
    assert None not in ssrcs
    assert len({track.mid for track in tracks}) == 2


def test_rtx_on_a_link_is_not_that_of_the_publisher() -> None:
    (track,) = piped(replace(VIDEO, rtx_payload_type=97, rtx_ssrc=0xA1))
    assert track.rtx_payload_type == 127
    assert track.rtx_ssrc != 0xA1
    assert track.codec == VIDEO.codec


def test_the_payload_type_of_rtx_is_never_that_of_the_media() -> None:
    (track,) = piped(replace(VIDEO, codec=replace(VIDEO.codec, payload_type=127)))
    assert (track.codec.payload_type, track.rtx_payload_type) == (127, 126)


def test_a_pipe_that_is_opened_anew_has_other_ssrcs() -> None:
    node = Node()
    pipe, producer = PipeTransport(Client(node).session), Client(node).publish(VIDEO)
    (one,), (other,) = pipe.pipe_out(producer), pipe.pipe_out(producer)
    assert len({one.ssrc, one.rtx_ssrc, other.ssrc, other.rtx_ssrc}) == 4
