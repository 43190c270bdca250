import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from foundation.errors import LocalError, RemoteError, Replayed
from media.srtp import AES_128_CM_SHA1_80, AES_128_GCM, PROFILES, SendBuffer, Srtp, SrtpKeys, SrtpProfile

each_profile = pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)

PAYLOAD = bytes(range(200))
RTCP = struct.pack("!BBHI", 0x80, 201, 1, 7)


def sessions(profile: SrtpProfile = AES_128_GCM) -> tuple[Srtp, Srtp]:
    size = profile.key_bytes + profile.salt_bytes
    one, other = bytes(range(size)), bytes(range(100, 100 + size))
    return Srtp(SrtpKeys(profile, one, other)), Srtp(SrtpKeys(profile, other, one))


def packet(sequence: int, ssrc: int = 7, payload: bytes = PAYLOAD) -> bytes:
    return struct.pack("!BBHII", 0x80, 96, sequence, 1000, ssrc) + payload


def protect(srtp: Srtp, data: bytes, buffer: SendBuffer | None = None, offset: int = 0) -> bytes:
    buffer = buffer or SendBuffer()
    buffer.view[offset : offset + len(data)] = data
    length = srtp.protect_at(buffer.cdata, offset, len(data))
    return bytes(buffer.view[offset : offset + length])


@each_profile
def test_a_packet_survives_and_grows_by_the_tag(profile):
    sender, receiver = sessions(profile)
    protected = protect(sender, packet(1))
    assert len(protected) == len(packet(1)) + sender.tag_bytes == len(packet(1)) + profile.tag_bytes
    assert receiver.unprotect(protected) == packet(1)


@each_profile
def test_rtcp_survives_both_ways(profile):
    one, other = sessions(profile)
    assert other.unprotect_rtcp(one.protect_rtcp(RTCP)) == RTCP
    assert one.unprotect_rtcp(other.protect_rtcp(RTCP)) == RTCP


@each_profile
def test_packets_side_by_side_in_one_buffer_do_not_touch_each_other(profile):
    sender, receiver = sessions(profile)
    buffer = SendBuffer()
    stride = len(packet(0)) + sender.tag_bytes
    for index in range(5):
        protect(sender, packet(index), buffer, index * stride)
    run = bytes(buffer.view[: 5 * stride])
    assert [receiver.unprotect(run[i * stride : (i + 1) * stride]) for i in range(5)] == [packet(i) for i in range(5)]


def test_the_last_packet_of_a_full_buffer_has_room_for_its_tag():
    sender, receiver = sessions(AES_128_CM_SHA1_80)
    longest = packet(1, payload=bytes(limits.datagram_bytes_max - 12 - sender.tag_bytes))
    assert receiver.unprotect(protect(sender, longest, offset=65535)) == longest


def test_the_identical_packet_may_be_protected_again_and_gives_the_same_bytes():
    sender, _ = sessions()
    first = protect(sender, packet(1))
    protect(sender, packet(2))
    assert protect(sender, packet(1)) == first


def test_a_packet_far_older_than_the_newest_is_not_protected_again():
    sender, _ = sessions()
    protect(sender, packet(1))
    protect(sender, packet(limits.srtp_repeat_window_packets + 100))
    with pytest.raises(LocalError):
        protect(sender, packet(1))


def test_a_replayed_packet_is_refused():
    sender, receiver = sessions()
    protected = protect(sender, packet(1))
    receiver.unprotect(protected)
    with pytest.raises(Replayed):
        receiver.unprotect(protected)


def test_late_packets_inside_the_window_are_taken():
    sender, receiver = sessions()
    late = protect(sender, packet(1))
    newest = protect(sender, packet(limits.srtp_window_packets))
    assert receiver.unprotect(newest)
    assert receiver.unprotect(late) == packet(1)


@each_profile
def test_one_flipped_bit_anywhere_is_refused(profile):
    sender, receiver = sessions(profile)
    protected = protect(sender, packet(1, payload=b"abc"))
    for position in range(len(protected)):
        forged = bytearray(protected)
        forged[position] ^= 1
        with pytest.raises(RemoteError):
            receiver.unprotect(bytes(forged))
    assert receiver.unprotect(protected)


@each_profile
def test_a_truncated_packet_of_every_length_is_refused(profile):
    sender, receiver = sessions(profile)
    protected, protected_rtcp = protect(sender, packet(1, payload=b"abc")), sender.protect_rtcp(RTCP)
    for length in range(len(protected)):
        with pytest.raises(RemoteError):
            receiver.unprotect(protected[:length])
    for length in range(len(protected_rtcp)):
        with pytest.raises(RemoteError):
            receiver.unprotect_rtcp(protected_rtcp[:length])


@each_profile
@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=limits.datagram_bytes_max + 10))
def test_random_bytes_are_refused(profile, data):
    _, receiver = sessions(profile)
    with pytest.raises(RemoteError):
        receiver.unprotect(b"\x80" + data)
    with pytest.raises(RemoteError):
        receiver.unprotect_rtcp(b"\x80\xc8" + data)


def test_a_packet_under_other_keys_is_refused():
    sender, _ = sessions()
    with pytest.raises(RemoteError):
        sender.unprotect(protect(sender, packet(1)))


def test_too_many_ssrcs_are_refused_and_the_known_ones_go_on(monkeypatch):
    monkeypatch.setattr(limits, "srtp_sources_max", 3)
    sender, receiver = sessions()
    for ssrc in (1, 2, 3):
        assert receiver.unprotect(protect(sender, packet(1, ssrc)))
    with pytest.raises(RemoteError, match="SSRC"):
        receiver.unprotect(protect(sender, packet(1, 4)))
    assert receiver.unprotect(protect(sender, packet(2, 3)))


def test_forged_packets_do_not_use_up_the_ssrcs(monkeypatch):
    monkeypatch.setattr(limits, "srtp_sources_max", 1)
    sender, receiver = sessions()
    for ssrc in range(100, 110):
        with pytest.raises(RemoteError):
            receiver.unprotect(packet(1, ssrc))
    assert receiver.unprotect(protect(sender, packet(1)))


def test_a_forgotten_ssrc_makes_room_for_another(monkeypatch):
    monkeypatch.setattr(limits, "srtp_sources_max", 1)
    sender, receiver = sessions()
    receiver.unprotect(protect(sender, packet(1, 1)))
    receiver.forget(1)
    receiver.forget(99)
    assert receiver.unprotect(protect(sender, packet(1, 2)))


def test_what_is_not_rtp_is_our_callers_mistake():
    sender, _ = sessions()
    with pytest.raises(LocalError):
        protect(sender, b"\x80\x60")
    with pytest.raises(LocalError):
        sender.protect_rtcp(b"")
    with pytest.raises(LocalError):
        sender.protect_rtcp(bytes(limits.datagram_bytes_max + 1))


def test_keys_are_not_shown():
    assert "local" not in repr(SrtpKeys(AES_128_GCM, bytes(28), bytes(28)))


def test_what_goes_out_under_a_forgotten_ssrc_is_refused_as_it_would_begin_anew():
    sender, _ = sessions()
    protect(sender, packet(1, 1))
    sender.protect_rtcp(RTCP)
    ended_by_rtcp = int.from_bytes(RTCP[4:8], "big")
    sender.forget_outgoing(1)
    sender.forget_outgoing(1)
    sender.forget_outgoing(ended_by_rtcp)
    with pytest.raises(LocalError):
        protect(sender, packet(1, 1))
    with pytest.raises(LocalError):
        sender.protect_rtcp(RTCP)


def test_forgetting_an_ssrc_leaves_the_others_as_they_are():
    sender, receiver = sessions()
    for ssrc in (1, 2):
        assert receiver.unprotect(protect(sender, packet(65535, ssrc)))
    sender.forget_outgoing(1)
    assert receiver.unprotect(protect(sender, packet(0, 2)))


def test_beyond_its_bound_no_more_ssrcs_are_forgotten(monkeypatch):
    monkeypatch.setattr(limits, "srtp_sources_ended_max", 1)
    sender, receiver = sessions()
    for ssrc in (1, 2):
        receiver.unprotect(protect(sender, packet(65535, ssrc)))
        sender.forget_outgoing(ssrc)
    assert receiver.unprotect(protect(sender, packet(0, 2)))
