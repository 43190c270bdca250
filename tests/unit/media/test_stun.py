import binascii
import os
import struct

import pytest
from aioice.stun import Class, Message, Method, parse_message
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.errors import RemoteError
from media import stun

PASSWORD = "p" * 32
ADDRESS = ("192.0.2.1", 4321)


def check(**attributes: object) -> Message:
    request = Message(Method.BINDING, Class.REQUEST)
    request.attributes = {"USERNAME": "local:remote", "PRIORITY": 1, "ICE-CONTROLLING": 2, **attributes}
    return request


def signed(request: Message, password: str = PASSWORD) -> bytes:
    request.add_message_integrity(password.encode())
    return bytes(request)


def everything(data: bytes) -> None:
    """All that reads a datagram from outside."""
    kind = stun.kind_of(data)
    if kind is stun.StunKind.REQUEST:
        stun.ufrags_of(data)
        stun.authenticated_request(data, PASSWORD)
    else:
        stun.authenticated_response(data, PASSWORD)


def with_attributes(raw: bytes, kind: int = 1) -> bytes:
    return struct.pack("!HHI", kind, len(raw), 0x2112A442) + bytes(12) + raw


def test_a_request_tells_both_ufrags():
    assert stun.ufrags_of(signed(check(USERNAME="a/+b:cd"))) == ("a/+b", "cd")


def test_an_authenticated_request_is_parsed():
    assert stun.authenticated_request(signed(check()), PASSWORD).attributes["PRIORITY"] == 1


def test_the_response_is_one_that_others_understand():
    request = check()
    response = parse_message(stun.success_response(request, ADDRESS, PASSWORD))
    assert response.message_class is Class.RESPONSE
    assert response.transaction_id == request.transaction_id
    assert response.attributes["XOR-MAPPED-ADDRESS"] == ADDRESS
    assert response.check_message_integrity(PASSWORD.encode())
    assert list(response.attributes) == ["XOR-MAPPED-ADDRESS", "MESSAGE-INTEGRITY", "FINGERPRINT"]


def test_a_response_maps_ipv6_addresses():
    response = parse_message(stun.success_response(check(), ("2001:db8::1", 9), PASSWORD))
    assert response.attributes["XOR-MAPPED-ADDRESS"] == ("2001:db8::1", 9)


def test_a_request_with_another_password_is_refused():
    with pytest.raises(RemoteError, match="not authenticated"):
        stun.authenticated_request(signed(check(), "other"), PASSWORD)


def test_a_request_without_integrity_is_refused():
    with pytest.raises(RemoteError, match="not authenticated"):
        stun.authenticated_request(bytes(check()), PASSWORD)


def test_a_wrong_fingerprint_is_refused():
    data = bytearray(signed(check()))
    data[-1] ^= 1
    with pytest.raises(RemoteError, match="malformed"):
        stun.authenticated_request(bytes(data), PASSWORD)


def test_a_request_without_fingerprint_is_taken():
    data = signed(check())[:-8]
    data = data[:2] + struct.pack("!H", len(data) - 20) + data[4:]
    assert stun.authenticated_request(data, PASSWORD)


def test_two_different_user_names_are_refused():
    first = struct.pack("!HH", 6, 3) + b"a:b\0"
    data = signed(check())
    data = data[:2] + struct.pack("!H", len(data) - 12) + data[4:20] + first + data[20:]
    assert stun.ufrags_of(data) == ("a", "b")
    with pytest.raises(RemoteError):
        stun.authenticated_request(data, PASSWORD)


def test_a_user_name_behind_the_integrity_does_not_count():
    request = Message(Method.BINDING, Class.REQUEST)
    data = signed(request)[:-8] + struct.pack("!HH", 6, 3) + b"a:b\0"
    data = data[:2] + struct.pack("!H", len(data) - 20) + data[4:]
    with pytest.raises(RemoteError, match="no USERNAME"):
        stun.ufrags_of(data)


@pytest.mark.parametrize("name", [b"", b"nocolon", b":b", b"a:", b"a" * 257 + b":b", b"\xff\xff:b"])
def test_a_bad_user_name_is_refused(name):
    padded = name + bytes(-len(name) & 3)
    with pytest.raises(RemoteError):
        stun.ufrags_of(with_attributes(struct.pack("!HH", 6, len(name)) + padded))


@pytest.mark.parametrize("kind", [0x0000, 0x0003, 0x0102, 0x0103, 0x3FFF])
def test_other_methods_are_refused(kind):
    with pytest.raises(RemoteError):
        stun.kind_of(with_attributes(b"", kind))


def test_another_cookie_is_refused():
    data = bytearray(signed(check()))
    data[4] ^= 1
    with pytest.raises(RemoteError):
        stun.kind_of(bytes(data))


@pytest.mark.parametrize("message_class", [Class.REQUEST, Class.RESPONSE])
def test_a_message_truncated_at_every_length_is_refused(message_class):
    message = check(**{"XOR-MAPPED-ADDRESS": ADDRESS})
    message.message_class = message_class
    data = signed(message)
    everything(data)
    for length in range(len(data)):
        cut = data[:length]
        with pytest.raises(RemoteError):
            everything(cut)
        if length >= 20 and length != len(data) - 8:  # a header that agrees; a FINGERPRINT cut off whole is no error
            with pytest.raises(RemoteError):
                everything(cut[:2] + struct.pack("!H", length - 20) + cut[4:])


def test_trailing_bytes_are_refused():
    with pytest.raises(RemoteError):
        everything(signed(check()) + b"\0")


@settings(max_examples=200, deadline=None)
@given(raw=st.binary(max_size=200), kind=st.sampled_from([1, 0x101, 0x111, 0x11]))
def test_random_attributes_raise_nothing_else(raw, kind):
    with pytest.raises(RemoteError):
        everything(with_attributes(raw, kind))


@settings(max_examples=200, deadline=None)
@given(
    attributes=st.lists(
        st.tuples(st.sampled_from([1, 6, 8, 9, 0x20, 0x24, 0x25, 0x8028, 0x8029, 0x802A]), st.binary(max_size=30)),
        max_size=8,
    )
)
def test_known_attributes_of_any_length_raise_nothing_else(attributes):
    raw = b"".join(struct.pack("!HH", kind, len(v)) + v + bytes(-len(v) & 3) for kind, v in attributes)
    with pytest.raises(RemoteError):
        everything(with_attributes(raw))


def test_the_fingerprint_is_that_of_the_rfc():
    data = signed(check())
    body = data[:-8]
    assert struct.unpack("!I", data[-4:])[0] == binascii.crc32(body) ^ 0x5354554E


def test_random_datagrams_are_refused():
    for length in range(100):
        with pytest.raises(RemoteError):
            everything(os.urandom(length))
