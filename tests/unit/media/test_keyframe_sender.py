from dataclasses import replace
from uuid import uuid4

from foundation import limits
from media import rtcp
from media.keyframe_sender import KeyframeSender
from media.producer import Producer, ProducerTrack
from media.source import Source
from tests.unit.media.rtp_samples import VIDEO, VP8, Node


def video_track(ssrc: int | None = 7, feedback: str = "nack pli", piped: bool = False) -> ProducerTrack:
    parameters = replace(VIDEO, ssrc=ssrc, feedback=frozenset({feedback}))
    return Producer(uuid4(), [parameters], piped, Node().router.forwarder, lambda track: None).tracks["video"]


def test_a_request_goes_out_at_once_and_again_after_the_gap_until_a_keyframe_comes() -> None:
    sender, track = KeyframeSender(), video_track()
    assert sender.timeout() is None
    sender.want(track, 10.0)
    assert sender.poll(1, 10.0) == [rtcp.picture_loss_indication(1, 7)]
    assert sender.timeout() == 10.0 + limits.keyframe_gap_seconds_min
    assert sender.poll(1, 10.5) == []
    assert sender.poll(1, 11.0) == [rtcp.picture_loss_indication(1, 7)]
    track.keyframe_seen(0, 11.2)
    assert (sender.timeout(), sender.poll(1, 20.0)) == (None, [])


def test_a_track_without_an_ssrc_is_asked_once_it_has_one() -> None:
    sender, track = KeyframeSender(), video_track(ssrc=None)
    sender.want(track, 10.0)
    assert (sender.timeout(), sender.poll(1, 10.0)) == (None, [])
    track.bind(Source(9, VP8, 10.1), 10.1)
    assert sender.timeout() is not None
    assert sender.poll(1, 10.1) == [rtcp.picture_loss_indication(1, 9)]


def test_full_intra_requests_have_numbers_of_their_own() -> None:
    sender, track = KeyframeSender(), video_track(feedback="ccm fir")
    sender.want(track, 10.0)
    packets = [*sender.poll(1, 10.0), *sender.poll(1, 11.0)]
    assert packets == [rtcp.full_intra_request(1, 7, 0), rtcp.full_intra_request(1, 7, 1)]


def test_a_link_is_always_asked_by_pli() -> None:
    sender, track = KeyframeSender(), video_track(feedback="ccm fir", piped=True)
    sender.want(track, 10.0)
    assert sender.poll(1, 10.0) == [rtcp.picture_loss_indication(1, 7)]


def test_a_forgotten_track_is_not_asked() -> None:
    sender, track = KeyframeSender(), video_track()
    sender.want(track, 10.0)
    sender.forget(track)
    assert (sender.timeout(), sender.poll(1, 10.0)) == (None, [])
