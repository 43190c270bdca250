"""Who is served."""

import asyncio
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.http.authorization import Authorization
from swarm.http.gate import host_of, refusal
from swarm.http.problems import LOOPBACK_ONLY, WRONG_HOST, Refusal
from swarm.http.server import HttpServer, make_app

HERE = "127.0.0.1"


@pytest.mark.parametrize("ip", [HERE, "127.8.9.1", "::1"])
def test_a_client_on_this_machine_is_served(ip: str) -> None:
    assert refusal(ip, "127.0.0.1:7400") is None


@pytest.mark.parametrize("ip", ["192.0.2.1", "fe80::1", "10.0.0.1", ""])
def test_any_other_client_is_not(ip: str) -> None:
    assert refusal(ip, "127.0.0.1:7400") is LOOPBACK_ONLY


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:7400", "localhost.:7400", "a.localhost", "127.0.0.1", "[::1]:7400", "192.0.2.1:80", ""],
)
def test_a_host_that_nobody_else_can_own_is_served(host: str) -> None:
    assert refusal(HERE, host) is None


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:7400", "localhost.evil.example", "127.0.0.1.nip.io", "a b", "[::1", "1.2.3", ":80"],
)
def test_a_name_of_somebody_else_is_not_even_when_it_points_here(host: str) -> None:
    assert refusal(HERE, host) is WRONG_HOST


@settings(deadline=None, max_examples=200)
@given(st.text())
def test_any_host_is_served_or_refused_and_nothing_else(host: str) -> None:
    assert refusal(HERE, host) in (None, WRONG_HOST)


@settings(deadline=None, max_examples=200)
@given(st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0")))
def test_a_host_is_well_formed_or_not_used(host: str) -> None:
    used = host_of(make_mocked_request("GET", "/", headers={"Host": host}))
    assert used is None or (used == host and not set(used) & set("/\\@?#% \t"))


async def test_a_distant_client_gets_a_problem_that_says_what_to_do() -> None:
    transport = Mock(get_extra_info=lambda name, default=None: ("192.0.2.1", 5) if name == "peername" else default)
    request = make_mocked_request("GET", "/", headers={"Host": "192.0.2.9"}, transport=transport)

    async def handler(request: web.Request) -> web.StreamResponse:
        raise AssertionError("the request got through")

    with pytest.raises(Refusal) as refused:
        await Authorization().middleware(request, handler)
    assert refused.value.response().status == 403
    assert "own machine" in refused.value.problem.title


@pytest.mark.parametrize("path", ["/", "/whip", "/api/v1/node", "/static/style.css", "/livez", "/nothing"])
async def test_a_rebound_name_gets_at_nothing(client: ClientSession, path: str) -> None:
    response = await client.get(path, headers={"Host": "evil.example"})
    assert response.status == 421
    assert (await response.json())["type"] == "urn:swarmd:problem:wrong-host"


async def test_a_node_that_is_open_to_all_answers_to_any_name(service: Any) -> None:
    server = await HttpServer.start(make_app(service, Authorization(open_to_all=True)))
    try:
        reader, writer = await asyncio.open_connection(*server.address)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: sfu.example\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()
        await writer.wait_closed()
    finally:
        await server.close()
