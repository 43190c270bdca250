"""Listening to a session's events, as a WHEP player does, at a server that says anything."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from foundation import limits
from foundation.errors import RemoteError
from swarm.client.moving import events_url, next_move

ANSWERED = URL("http://127.0.0.1:1/whep/x")
REL = 'rel="urn:ietf:params:whep:ext:core:server-sent-events"'


class Said:
    """What the stream has to say."""

    def __init__(self) -> None:
        self.text = b""
        self.created = 201
        self.location: str | None = "/stream"
        self.url = URL()
        self.asked: list[object] = []
        self.shown: list[str] = []

    async def create(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        self.shown.append(request.headers.get("Authorization", ""))
        return web.Response(status=self.created, headers={"Location": self.location} if self.location else {})

    async def read(self, request: web.Request) -> web.Response:
        self.shown.append(request.headers.get("Authorization", ""))
        return web.Response(body=self.text, content_type="text/event-stream")


@pytest.fixture
async def said() -> AsyncIterator[Said]:
    said = Said()
    app = web.Application()
    app.router.add_post("/events", said.create)
    app.router.add_get("/stream", said.read)
    async with TestServer(app, host="127.0.0.1") as server:
        said.url = server.make_url("/events")
        yield said


@pytest.mark.parametrize(
    ("link", "found"),
    [
        (f"<http://a/e>; {REL}", "http://a/e"),
        (f'<http://a/e>; {REL}; events="reconnect,layers"', "http://a/e"),
        (f'<http://b/ice>; rel="ice-server", </e>; events="x"; {REL}', "http://127.0.0.1:1/e"),
        (f"<http://a/e>;{REL.replace(chr(34), '')}", "http://a/e"),
        ("<http://a/e>; rel=other", None),
        (f"<ftp://a/e>; {REL}", None),
        ("", None),
    ],
)
def test_the_link_of_an_answer_tells_where_events_are(link: str, found: str | None) -> None:
    assert events_url(link, ANSWERED) == (URL(found) if found else None)


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=80))
def test_any_link_is_a_url_or_none(link: str) -> None:
    for text in (link, f"<{link}>; {REL}"):
        assert isinstance(events_url(text, ANSWERED), URL | None)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (b'event: reconnect\ndata: {"url": "http://x"}\n\n', "http://x"),
        (b':\r\n\r\nid: 1\r\nevent:reconnect\r\ndata:{"url":\r\ndata:"http://x"}\r\n\r\n', "http://x"),
        (b'event: layers\ndata: {}\n\nevent: reconnect\ndata: {"url": "http://x"}\n\n', "http://x"),
        (b"event: reconnect\ndata: {}\n\n", ""),
        (b"event: reconnect\ndata: [1]\n\n", ""),
        (b'event: reconnect\ndata: {"url": 7}\n\n', ""),
        (b"event: reconnect\ndata: {\n\n", ""),
        (b'event: reconnect\ndata: {"url": "http://x"}\n', None),
        (b'data: {"url": "http://x"}\n\n', None),
        (b"\xff\xfe\n\n\0", None),
        (b"", None),
    ],
)
async def test_a_player_learns_where_to_go(said: Said, text: bytes, url: str | None) -> None:
    said.text = text
    assert await next_move(said.url, {"Authorization": "Bearer x"}) == url
    assert said.asked == [["reconnect"]]
    assert said.shown == ["Bearer x"] * 2


@pytest.mark.parametrize(("created", "location"), [(404, "/stream"), (200, "/stream"), (201, None), (201, "/nothing")])
async def test_a_node_without_such_events_is_a_remote_error(said: Said, created: int, location: str | None) -> None:
    said.created, said.location = created, location
    with pytest.raises(RemoteError):
        await next_move(said.url, {})


async def test_a_line_without_end_is_a_remote_error(said: Said) -> None:
    said.text = b"data: " + bytes(limits.answer_bytes_max * 4)
    with pytest.raises(RemoteError):
        await next_move(said.url, {})


async def test_a_node_that_has_gone_is_a_remote_error(unused_tcp_port: int) -> None:
    with pytest.raises(RemoteError):
        await next_move(URL(f"http://127.0.0.1:{unused_tcp_port}/events"), {})
