"""The shell: sockets, connections and their ends."""

import asyncio
import socket
from ipaddress import ip_network
from typing import Any

import pytest
import uvloop
from aiohttp import ClientSession

from foundation import limits
from foundation.address import format_address
from swarm.http.authorization import Authorization
from swarm.http.remote import TrustedProxies
from swarm.http.server import HttpServer, make_app
from swarm.service import SentOn


async def exchange(server: HttpServer, request: bytes, ip: str = "127.0.0.1") -> bytes:
    """Sends bytes, and reads until the server closes."""
    reader, writer = await asyncio.open_connection(*server.address, local_addr=(ip, 0))
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_bound_socket_is_served_and_closed_in_the_end(service: Any) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    server = await HttpServer.start(make_app(service), listener=listener)
    assert server.address == listener.getsockname()
    async with ClientSession() as http, http.get(f"http://{format_address(server.address)}/livez") as response:
        assert response.status == 200
    await server.close()
    assert listener.fileno() == -1


async def test_a_dual_stack_socket_serves_both_families(service: Any) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    server = await HttpServer.start(make_app(service), listener=listener)
    port = server.address[1]
    async with ClientSession() as http:
        for host in ("127.0.0.1", "[::1]"):
            async with http.get(f"http://{host}:{port}/livez") as response:
                assert response.status == 200
    await server.close()


async def test_a_port_in_use_is_an_oserror_and_leaves_nothing_behind(service: Any, server: HttpServer) -> None:
    with pytest.raises(OSError, match="in use"):
        await HttpServer.start(make_app(service), host="127.0.0.1", port=server.address[1])


async def test_closing_twice_is_closing_once(service: Any) -> None:
    server = await HttpServer.start(make_app(service))
    await server.close()
    await server.close()


async def test_a_request_under_way_is_cut_off_when_the_server_closes(
    service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def never(*arguments: Any) -> Any:
        begun.set()
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(service, "find", never)
    monkeypatch.setattr(limits, "http_shutdown_seconds", 0.01)
    server = await HttpServer.start(make_app(service))
    path = b"/api/v1/producers/123e4567-e89b-42d3-a456-426614174000"
    async with asyncio.TaskGroup() as group:
        answer = group.create_task(exchange(server, b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        await begun.wait()
        await server.close()
    assert answer.result() == b""


async def test_an_idle_connection_is_closed(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "http_keepalive_seconds", 0.01)
    server = await HttpServer.start(make_app(service))
    assert await exchange(server, b"") == b""
    assert await exchange(server, b"GET /livez HTT") == b""
    await server.close()


async def test_a_connection_too_many_is_told_to_come_back(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "http_connections_max", 1)
    server = await HttpServer.start(make_app(service))
    async with ClientSession(base_url=f"http://{format_address(server.address)}") as http:
        async with http.get("/livez") as response:
            assert response.status == 200
        answer = await exchange(server, b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 5" in answer
        async with http.get("/livez") as response:
            assert response.status == 200
    await server.close()


async def test_one_address_takes_a_part_of_the_connections_and_another_has_its_own(
    service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "http_connections_max", 8)
    monkeypatch.setattr(limits, "http_connections_per_network_max", 5)
    server = await HttpServer.start(make_app(service))
    writers = [(await asyncio.open_connection(*server.address))[1] for _ in range(5)]
    request = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert (await exchange(server, request)).startswith(b"HTTP/1.1 503 ")
    assert (await exchange(server, request, "127.0.0.2")).startswith(b"HTTP/1.1 200 ")
    for writer in writers:
        writer.close()
        await writer.wait_closed()
    await server.close()


def test_connections_are_let_in_and_turned_away_in_uvloop_as_well(
    service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        monkeypatch.setattr(limits, "http_connections_max", 1)
        server = await HttpServer.start(make_app(service))
        _, writer = await asyncio.open_connection(*server.address)
        assert (await exchange(server, b"")).startswith(b"HTTP/1.1 503 ")
        writer.close()
        await writer.wait_closed()
        await server.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())


async def test_a_trusted_proxy_may_bring_as_many_as_there_is_room_for(
    service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "http_connections_max", 4)
    monkeypatch.setattr(limits, "http_connections_per_network_max", 2)
    proxies = TrustedProxies((ip_network("127.0.0.1"),))
    server = await HttpServer.start(make_app(service, Authorization(proxies=proxies)))
    writers = [(await asyncio.open_connection(*server.address))[1] for _ in range(3)]
    request = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert (await exchange(server, request)).startswith(b"HTTP/1.1 200 ")
    for writer in writers:
        writer.close()
        await writer.wait_closed()
    await server.close()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /%zz HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n: \r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"\r\n\r\nhello\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_refused_quietly(
    server: HttpServer, caplog: pytest.LogCaptureFixture, garbage: bytes
) -> None:
    answer = await exchange(server, garbage)
    assert b" 400 " in answer.split(b"\r\n")[0]
    assert caplog.text == ""


@pytest.mark.parametrize("target", [b"//whip", b"//whip/..", b"whip", b"*"])
async def test_a_strange_target_is_refused_and_never_sent_on(server: HttpServer, service: Any, target: bytes) -> None:
    service.outcome = SentOn("http://192.0.2.7:7400")
    answer = await exchange(
        server,
        b"POST " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n",
    )
    assert answer.split(b" ")[1] in (b"400", b"404")
    assert service.offers == []


async def test_an_old_client_without_a_host_header_is_answered_with_a_bare_path(server: HttpServer) -> None:
    answer = await exchange(
        server, b"POST /whip HTTP/1.0\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n"
    )
    assert b" 201 " in answer.split(b"\r\n")[0]
    assert b"\r\nLocation: /session/" in answer


async def test_a_client_that_asks_first_is_told_to_go_on(server: HttpServer) -> None:
    answer = await exchange(
        server,
        b"POST /whip HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nConnection: close\r\n"
        b"Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n",
    )
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 ")
