from dataclasses import replace
from uuid import uuid4

from media.listener import RtpListener
from media.parameters import TrackParameters
from media.producer import Producer, ProducerTrack
from media.rtp import elements, parse_header
from tests.unit.media.rtp_samples import AUDIO, VIDEO, Node, packet


def listener(*tracks: TrackParameters, piped: bool = False) -> tuple[RtpListener, list[ProducerTrack]]:
    """A listener for one producer for each track."""
    forwarder = Node().router.forwarder
    made = [Producer(uuid4(), [track], piped, forwarder, lambda track: None) for track in tracks]
    listening = RtpListener()
    found = [track for producer in made for track in producer.tracks.values()]
    listening.add(found)
    return listening, found


def found(listening: RtpListener, data: bytes, now: float = 0.0) -> ProducerTrack | None:
    header = parse_header(data)
    return listening.track_for(data, header, elements(data, header), now)


def test_a_signalled_ssrc_wins_over_the_payload_type() -> None:
    listening, (one, other) = listener(replace(VIDEO, ssrc=1), replace(VIDEO, ssrc=2))
    assert found(listening, packet(2, 1)) is other
    assert found(listening, packet(1, 1)) is one
    assert listening.bound == {1: one, 2: other}


def test_a_piped_track_is_not_found_by_its_payload_type() -> None:
    listening, _ = listener(VIDEO, piped=True)
    assert found(listening, packet(0x99, 1)) is None


def test_a_description_binds_the_one_track_with_that_mid() -> None:
    listening, (one, _, _) = listener(
        replace(VIDEO, mid="a"), replace(VIDEO, mid="b", ssrc=2), replace(AUDIO, mid="b", ssrc=3), piped=True
    )
    assert listening.described(50, "a", 0.0) is one
    assert listening.described(51, "b", 0.0) is None
    assert listening.described(50, "b", 0.0) is None
    assert listening.described(52, "c", 0.0) is None
    assert listening.bound == {50: one}


def test_another_ssrc_takes_the_place_of_the_former() -> None:
    listening, (track,) = listener(replace(VIDEO, ssrc=None))
    found(listening, packet(1, 1), 0.0)
    assert found(listening, packet(2, 1), 5.0) is track
    assert listening.bound == {2: track}
    assert track.ssrc == 2


def test_removing_gives_the_ssrcs_that_were_bound() -> None:
    listening, tracks = listener(replace(VIDEO, ssrc=1), replace(AUDIO, ssrc=2))
    found(listening, packet(1, 1))
    assert listening.remove(tracks[:1]) == [1]
    assert found(listening, packet(1, 1)) is None
    assert not listening.knows_payload_type(96)
    assert listening.knows_payload_type(111)
    assert listening.remove(tracks[1:]) == []


def test_unbinding_what_is_not_bound_is_no_matter() -> None:
    listening, _ = listener(VIDEO)
    listening.unbind(5)
    assert listening.bound == {}


def test_a_mid_that_is_not_text_fits_no_track() -> None:
    listening, _ = listener(replace(VIDEO, ssrc=None))
    assert found(listening, packet(1, 1, block=b"\x41\xff\xfe")) is None


REPAIRED = replace(VIDEO, ssrc=1, rtx_payload_type=97, rtx_ssrc=2)


def repaired(listening: RtpListener, ssrc: int, payload_type: int = 97) -> ProducerTrack | None:
    return listening.repaired_by(parse_header(packet(ssrc, 1, payload_type=payload_type)))


def test_a_signalled_rtx_ssrc_repairs_its_track() -> None:
    listening, (track, _) = listener(REPAIRED, replace(REPAIRED, ssrc=3, rtx_ssrc=4), piped=True)
    assert repaired(listening, 2) is track
    assert repaired(listening, 2, 96) is None
    assert repaired(listening, 9) is None


def test_a_publisher_s_rtx_is_known_by_its_payload_type_and_has_one_ssrc_at_a_time() -> None:
    listening, (track, _) = listener(replace(REPAIRED, rtx_ssrc=None), AUDIO)
    assert repaired(listening, 50) is track
    assert repaired(listening, 51) is track
    assert listening.repairing == {51: track}
    assert repaired(listening, 52, 98) is None


def test_rtx_that_fits_two_tracks_repairs_none() -> None:
    listening, _ = listener(replace(REPAIRED, rtx_ssrc=None), replace(REPAIRED, ssrc=3, rtx_ssrc=None))
    assert repaired(listening, 50) is None


def test_an_rtx_ssrc_without_a_payload_type_means_nothing() -> None:
    listening, _ = listener(replace(REPAIRED, rtx_payload_type=None))
    assert listening.repairing == {}


def test_removing_gives_the_rtx_ssrcs_too() -> None:
    listening, tracks = listener(REPAIRED, replace(AUDIO, ssrc=5))
    found(listening, packet(1, 1))
    assert listening.remove(tracks[:1]) == [1, 2]
    assert repaired(listening, 2) is None
