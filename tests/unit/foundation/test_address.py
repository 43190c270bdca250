import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.address import checked, format_address, normalize, split_host_port
from foundation.errors import RemoteError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seed.example.org", ("seed.example.org", 7400)),
        ("seed.example.org:80", ("seed.example.org", 80)),
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("[::1]:7401", ("::1", 7401)),
        ("[::1]", ("::1", 7400)),
        ("::1", ("::1", 7400)),
        (" 10.0.0.1:1 ", ("10.0.0.1", 1)),
    ],
)
def test_host_and_port_are_split_as_people_write_them(text: str, expected: tuple[str, int]) -> None:
    assert split_host_port(text) == expected


@pytest.mark.parametrize(
    "text", ["", ":80", "host:", "host:port", "host:70000", "host:-1", "[::1", "[::1]x", "host:１"]
)
def test_what_is_no_host_and_port_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        split_host_port(text)


@pytest.mark.parametrize(
    ("sockaddr", "expected"),
    [
        (("127.0.0.1", 5), ("127.0.0.1", 5)),
        (("::ffff:127.0.0.1", 5, 0, 0), ("127.0.0.1", 5)),
        (("fe80::1%eth0", 5, 0, 2), ("fe80::1", 5)),
        (("2001:db8::1", 5, 0, 0), ("2001:db8::1", 5)),
    ],
)
def test_socket_addresses_are_normalised(sockaddr: tuple[str, int], expected: tuple[str, int]) -> None:
    assert normalize(sockaddr) == expected


@pytest.mark.parametrize(
    ("ip", "port"),
    [
        ("seed.example.org", 1),
        ("127.0.0.1", 0),
        ("127.0.0.1", 65536),
        ("127.0.0.1", True),
        ("127.0.0.1", "1"),
        ("224.0.0.1", 1),
        ("ff02::1", 1),
        ("0.0.0.0", 1),
        ("::", 1),
        ("fe80::1%eth0", 1),
        (b"127.0.0.1", 1),
        (None, 1),
    ],
)
def test_addresses_others_wrote_down_are_refused_when_one_cannot_send_there(ip: object, port: object) -> None:
    with pytest.raises(RemoteError):
        checked(ip, port)


def test_a_mapped_address_is_unmapped_before_it_is_used() -> None:
    assert checked("::ffff:10.1.2.3", 9) == ("10.1.2.3", 9)


@given(st.ip_addresses(), st.integers(1, 65535))
def test_formatting_and_splitting_are_inverse(ip: object, port: int) -> None:
    assert split_host_port(format_address((str(ip), port))) == (str(ip), port)


@given(st.text(), st.integers())
def test_any_text_and_number_is_an_address_or_a_remote_error(ip: str, port: int) -> None:
    try:
        address = checked(ip, port)
    except RemoteError:
        return
    assert normalize(address) == address
