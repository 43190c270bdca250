from media.demux import DatagramKind, classify, is_rtcp


def test_every_first_byte_belongs_to_the_protocol_of_rfc_7983():
    expected = {
        DatagramKind.STUN: set(range(0, 4)),
        DatagramKind.DTLS: set(range(20, 64)),
        DatagramKind.SRTP: set(range(128, 192)),
        DatagramKind.DHT: {0xD5},
    }
    for first in range(256):
        kind = next((kind for kind, firsts in expected.items() if first in firsts), DatagramKind.NONE)
        assert classify(bytes([first])) is kind


def test_an_empty_datagram_is_nobodys():
    assert classify(b"") is DatagramKind.NONE


def test_packet_types_192_to_223_are_rtcp():
    assert [second for second in range(256) if is_rtcp(bytes([0x80, second]))] == list(range(192, 224))


def test_a_single_byte_is_not_rtcp():
    assert not is_rtcp(b"\x80")
