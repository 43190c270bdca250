"""Whose request it is: a proxy's word counts only when the proxy is trusted."""

import ipaddress
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.http.remote import Remote, TrustedProxies

PROXIES = TrustedProxies((ipaddress.ip_network("127.0.0.1/32"), ipaddress.ip_network("10.0.0.0/8")))


def remote(peer: Any, **headers: str) -> Remote:
    transport = Mock(get_extra_info=lambda name, default=None: peer if name == "peername" else default)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return PROXIES.remote(make_mocked_request("GET", "/", headers=named, transport=transport))


def test_a_client_without_a_proxy_is_who_its_socket_says() -> None:
    assert remote(("192.0.2.1", 5)) == Remote("192.0.2.1", "http")


def test_a_client_cannot_claim_another_address() -> None:
    claims = {"Forwarded": "for=127.0.0.1;proto=https", "X_Forwarded_For": "127.0.0.1"}
    assert remote(("192.0.2.1", 5), **claims) == Remote("192.0.2.1", "http")


@pytest.mark.parametrize(
    "value",
    ["for=192.0.2.9;proto=https", 'For="192.0.2.9:4711";Proto=https', "proto=https; for=192.0.2.9;by=10.0.0.1"],
)
def test_a_trusted_proxy_is_believed(value: str) -> None:
    assert remote(("127.0.0.1", 5), Forwarded=value) == Remote("192.0.2.9", "https")


def test_an_address_of_ipv6_is_read() -> None:
    assert remote(("127.0.0.1", 5), Forwarded='for="[2001:db8::1]:4711"').ip == "2001:db8::1"


def test_a_mapped_address_is_the_address_it_maps() -> None:
    assert remote(("127.0.0.1", 5), Forwarded='for="[::ffff:127.0.0.1]"').ip == "127.0.0.1"


def test_the_older_headers_are_read_too() -> None:
    found = remote(("127.0.0.1", 5), X_Forwarded_For="192.0.2.9", X_Forwarded_Proto="https")
    assert found == Remote("192.0.2.9", "https")


def test_the_nearest_address_that_is_no_proxy_is_the_client() -> None:
    assert remote(("127.0.0.1", 5), X_Forwarded_For="127.0.0.1, 192.0.2.9, 10.1.2.3").ip == "192.0.2.9"


def test_what_stands_before_nonsense_is_not_believed() -> None:
    assert remote(("127.0.0.1", 5), X_Forwarded_For="192.0.2.9, unknown, 10.1.2.3").ip == "10.1.2.3"


def test_a_proxy_that_says_nothing_is_the_client() -> None:
    assert remote(("127.0.0.1", 5)) == Remote("127.0.0.1", "http")


@pytest.mark.parametrize("peer", [None, "", ()])
def test_a_socket_without_an_address_is_nobodys(peer: Any) -> None:
    assert remote(peer, Forwarded="for=127.0.0.1").ip == ""


@settings(deadline=None, max_examples=200)
@given(st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0")))
def test_any_header_gives_an_address(value: str) -> None:
    for name in ("Forwarded", "X_Forwarded_For"):
        assert ipaddress.ip_address(remote(("127.0.0.1", 5), **{name: value}).ip)
