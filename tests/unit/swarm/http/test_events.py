"""Server-sent events of viewers over HTTP, as the WHEP draft describes them."""

import asyncio
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession
from yarl import URL

from foundation import limits
from swarm.events import RECONNECT, SessionEvent
from swarm.http.server import HttpServer

SESSION = "c2Vzc2lvbi1pZC1ub2JvZHktZ3Vlc3Nlcw"
EVENTS = f"/session/{SESSION}/events"
MOVED = SessionEvent(RECONNECT, {"url": "http://127.0.0.1:1/whep/123e4567-e89b-42d3-a456-426614174000"})


async def opened(client: ClientSession, **body: Any) -> URL:
    response = await client.post(EVENTS, **body)
    assert response.status == 201
    return URL(response.headers["Location"])


async def lines(response: ClientResponse, count: int) -> list[str]:
    async with asyncio.timeout(20):
        return [(await response.content.readline()).decode().rstrip("\n") for _ in range(count)]


async def test_a_viewers_answer_names_its_events_and_a_publishers_does_not(client: ClientSession) -> None:
    headers = {"Content-Type": "application/sdp"}
    viewer = await client.post("/whep/123e4567-e89b-42d3-a456-426614174000", data="v=0", headers=headers)
    assert viewer.headers["Link"] == (
        f'<{viewer.headers["Location"]}/events>; rel="urn:ietf:params:whep:ext:core:server-sent-events"; '
        'events="reconnect"'
    )
    publisher = await client.post("/whip", data="v=0", headers=headers)
    assert "Link" not in publisher.headers


@pytest.mark.parametrize("body", [{}, {"json": ["reconnect"]}, {"json": ["layers", "reconnect"]}])
async def test_an_event_is_one_data_line_of_json(client: ClientSession, service: Any, body: Any) -> None:
    stream = await opened(client, **body)
    assert str(stream).endswith(f"{EVENTS}/stream")
    async with client.get(stream) as response:
        assert response.content_type == "text/event-stream"
        service.events(SESSION).put(MOVED)
        assert await lines(response, 6) == [
            ":",
            "",
            "id: 1",
            "event: reconnect",
            'data: {"url": "http://127.0.0.1:1/whep/123e4567-e89b-42d3-a456-426614174000"}',
            "",
        ]


async def test_what_was_not_asked_for_is_not_sent(client: ClientSession, service: Any) -> None:
    stream = await opened(client, json=["viewercount"])
    service.events(SESSION).put(MOVED)
    async with client.get(stream) as response:
        await lines(response, 2)
        service.close_events(SESSION)
        assert await response.content.read() == b""


async def test_an_idle_stream_is_kept_open_by_comments(client: ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "events_keepalive_seconds", 0.02)
    async with client.get(await opened(client)) as response:
        assert await lines(response, 6) == [":", ""] * 3


async def test_a_reader_that_comes_again_finds_what_was_not_read(client: ClientSession, service: Any) -> None:
    stream = await opened(client)
    async with client.get(stream) as response:
        await lines(response, 2)
    service.events(SESSION).put(MOVED)
    async with client.get(stream) as response:
        assert (await lines(response, 4))[-1] == "event: reconnect"
    service.events(SESSION).put(MOVED)
    async with client.get(stream, headers={"Last-Event-ID": "1"}) as response:
        assert (await lines(response, 3))[-1] == "id: 2"


@pytest.mark.parametrize("number", ["x", "-1", "1" * 400, "1.5", "", "9" * 9])
async def test_a_reader_that_names_no_event_hears_them_all_or_none(
    client: ClientSession, service: Any, number: str
) -> None:
    stream = await opened(client)
    service.events(SESSION).put(MOVED)
    async with client.get(stream, headers={"Last-Event-ID": number}) as response:
        await lines(response, 2)
        service.events(SESSION).put(MOVED)
        if number == "9" * 9:
            service.close_events(SESSION)
            assert await response.content.read() == b""
        else:
            assert await lines(response, 1) == ["id: 1"]


async def test_a_closed_stream_is_not_found(client: ClientSession, service: Any) -> None:
    stream = await opened(client)
    async with client.get(stream) as reading:
        assert (await client.delete(stream)).status == 200
        async with asyncio.timeout(20):
            await reading.content.read()
    for method in ("GET", "DELETE"):
        assert (await client.request(method, stream)).status == 404
    assert SESSION in service.sessions


async def test_without_a_session_there_are_no_events(client: ClientSession) -> None:
    assert (await client.post("/session/unknown/events")).status == 404
    assert (await client.get("/session/unknown/events/stream")).status == 404


@pytest.mark.parametrize("body", ["{", "{}", "3", '"reconnect"', "[1]", "[[]]", "null", " "])
async def test_what_is_no_list_of_names_is_refused(client: ClientSession, service: Any, body: str) -> None:
    response = await client.post(EVENTS, data=body, headers={"Content-Type": "application/json"})
    assert response.status == 400
    assert service.events(SESSION) is None


async def test_more_streams_than_there_may_be_are_turned_away(
    client: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "event_streams_max", 0)
    assert (await client.post(EVENTS)).status == 503


async def test_an_open_stream_does_not_hold_up_the_end_of_the_server(client: ClientSession, server: HttpServer) -> None:
    async with client.get(await opened(client)) as response:
        await lines(response, 2)
        async with asyncio.timeout(limits.http_shutdown_seconds):
            await server.close()
        assert await response.content.read() == b""


async def test_any_page_may_listen_to_its_session(client: ClientSession) -> None:
    stream = await opened(client)
    async with client.get(stream, headers={"Origin": "http://elsewhere"}) as response:
        assert response.headers["Access-Control-Allow-Origin"] == "*"
