"""WHIP and WHEP over HTTP, as the clients speak it."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from foundation import limits
from foundation.errors import (
    BadOffer,
    LocalError,
    NoCommonCodec,
    NoSuchProducer,
    ProducerTaken,
    RemoteError,
    SwarmFull,
)
from swarm.client.signalling import HttpSignalling, problem_title, whep_url, whip_url

PRODUCER = UUID("123e4567-e89b-42d3-a456-426614174000")
OFFER = "v=0\r\n"


@dataclass
class Endpoint:
    """A server whose answers to POST are taken from `responses`, the last one for ever."""

    responses: list[web.Response]
    base: str = ""
    requests: list[tuple[str, str, str, str]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        content_type = request.headers.get("Content-Type", "")
        self.requests.append((request.method, request.path_qs, content_type, await request.text()))
        template = self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]
        return web.Response(status=template.status, body=template.body, headers=template.headers)


def created(location: str = "/whip/s/1", **headers: str) -> web.Response:
    return web.Response(status=201, text="answer", headers={"Location": location, **headers})


def sent_on(location: str, status: int = 307) -> web.Response:
    return web.Response(status=status, headers={"Location": location})


def problem(status: int, title: str) -> web.Response:
    body = json.dumps({"title": title, "status": status})
    return web.Response(status=status, text=body, content_type="application/problem+json")


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    endpoint = Endpoint([created()])
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", endpoint.handle)
    async with TestServer(app, host="127.0.0.1") as server:
        endpoint.base = str(server.make_url("")).rstrip("/")
        yield endpoint


async def test_an_offer_is_posted_and_the_session_is_the_absolute_location(endpoint: Endpoint) -> None:
    signalling = HttpSignalling(f"{endpoint.base}/whip", "WHIP")
    assert await signalling.exchange(OFFER) == ("answer", f"{endpoint.base}/whip/s/1")
    assert endpoint.requests == [("POST", "/whip", "application/sdp", OFFER)]


async def test_the_producer_id_is_read_from_the_answer(endpoint: Endpoint) -> None:
    endpoint.responses = [created(**{"swarm-producer-id": str(PRODUCER)})]
    signalling = HttpSignalling(f"{endpoint.base}/whip", "WHIP")
    await signalling.exchange(OFFER)
    assert signalling.producer_id == PRODUCER


async def test_a_producer_id_that_is_none_is_ignored(endpoint: Endpoint) -> None:
    endpoint.responses = [created(**{"Swarm-Producer-Id": "yes"})]
    signalling = HttpSignalling(f"{endpoint.base}/whip", "WHIP")
    await signalling.exchange(OFFER)
    assert signalling.producer_id is None


@pytest.mark.parametrize("status", [307, 308])
async def test_a_redirect_is_followed_with_method_body_and_type(endpoint: Endpoint, status: int) -> None:
    endpoint.responses = [sent_on("/elsewhere?x=1", status), created("session/7")]
    signalling = HttpSignalling(f"{endpoint.base}/whep/{PRODUCER}", "WHEP")
    _, session = await signalling.exchange(OFFER)
    assert endpoint.requests[1] == ("POST", "/elsewhere?x=1", "application/sdp", OFFER)
    assert session == f"{endpoint.base}/session/7"


async def test_the_origin_is_that_of_the_node_which_answered(endpoint: Endpoint) -> None:
    host, port = "localhost", endpoint.base.rpartition(":")[2]
    endpoint.responses = [sent_on(f"http://{host}:{port}/whip"), created()]
    signalling = HttpSignalling(f"{endpoint.base}/whip", "WHIP")
    await signalling.exchange(OFFER)
    assert signalling.origin == f"http://localhost:{port}"


async def test_redirects_in_a_circle_end(endpoint: Endpoint) -> None:
    endpoint.responses = [sent_on("/whep/again")]
    with pytest.raises(RemoteError, match="sent us on more than"):
        await HttpSignalling(f"{endpoint.base}/whep/x", "WHEP").exchange(OFFER)
    assert len(endpoint.requests) == limits.redirects_max + 1


@pytest.mark.parametrize("location", ["ftp://host/x", "http://", "http://[::1", "mailto:x@y"])
async def test_a_redirect_to_no_http_url_is_refused(endpoint: Endpoint, location: str) -> None:
    endpoint.responses = [sent_on(location)]
    with pytest.raises(RemoteError):
        await HttpSignalling(f"{endpoint.base}/whep/x", "WHEP").exchange(OFFER)


async def test_a_redirect_without_a_location_is_refused(endpoint: Endpoint) -> None:
    endpoint.responses = [web.Response(status=307)]
    with pytest.raises(RemoteError, match="without saying where"):
        await HttpSignalling(f"{endpoint.base}/whep/x", "WHEP").exchange(OFFER)


async def test_an_answer_without_a_location_is_refused(endpoint: Endpoint) -> None:
    endpoint.responses = [web.Response(status=201, text="answer")]
    with pytest.raises(RemoteError, match="without a Location"):
        await HttpSignalling(f"{endpoint.base}/whip", "WHIP").exchange(OFFER)


@pytest.mark.parametrize(
    ("protocol", "status", "error"),
    [
        ("WHIP", 400, BadOffer),
        ("WHIP", 409, ProducerTaken),
        ("WHIP", 422, NoCommonCodec),
        ("WHEP", 409, NoSuchProducer),
        ("WHEP", 503, SwarmFull),
        ("WHEP", 500, RemoteError),
        ("WHEP", 302, RemoteError),
    ],
)
async def test_a_refusal_is_the_fitting_error_with_the_problems_title(
    endpoint: Endpoint, protocol: str, status: int, error: type[RemoteError]
) -> None:
    endpoint.responses = [problem(status, "Do something else")]
    with pytest.raises(RemoteError, match="Do something else") as caught:
        await HttpSignalling(f"{endpoint.base}/x", protocol).exchange(OFFER)  # type: ignore[arg-type]
    assert type(caught.value) is error


async def test_a_refusal_without_a_problem_document_names_url_and_status(endpoint: Endpoint) -> None:
    endpoint.responses = [web.Response(status=404, text="<html>")]
    with pytest.raises(RemoteError, match=f"{endpoint.base}/x answered 404"):
        await HttpSignalling(f"{endpoint.base}/x", "WHEP").exchange(OFFER)


async def test_an_endless_answer_is_refused(endpoint: Endpoint) -> None:
    endpoint.responses = [web.Response(status=201, body=bytes(limits.answer_bytes_max + 1))]
    with pytest.raises(RemoteError, match="more than"):
        await HttpSignalling(f"{endpoint.base}/x", "WHEP").exchange(OFFER)


async def test_a_session_is_ended_with_delete(endpoint: Endpoint) -> None:
    endpoint.responses = [web.Response(status=200)]
    await HttpSignalling(f"{endpoint.base}/whip", "WHIP").end(f"{endpoint.base}/whip/s/1")
    assert endpoint.requests == [("DELETE", "/whip/s/1", "", "")]


async def test_a_session_that_is_gone_already_is_ended(endpoint: Endpoint) -> None:
    endpoint.responses = [web.Response(status=404)]
    await HttpSignalling(f"{endpoint.base}/whip", "WHIP").end(f"{endpoint.base}/whip/s/1")


async def test_nobody_listening_is_said_so(unused_tcp_port: int) -> None:
    with pytest.raises(RemoteError, match=f"no node answers at http://127.0.0.1:{unused_tcp_port}"):
        await HttpSignalling(f"http://127.0.0.1:{unused_tcp_port}/whip", "WHIP").exchange(OFFER)


async def test_a_server_that_speaks_no_http_is_said_so() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(RemoteError, match="does not speak HTTP"):
            await HttpSignalling(f"http://127.0.0.1:{port}/whip", "WHIP").exchange(OFFER)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:7400", "host/whip", "ftp://host/", "http://", "http://[::1/", "http:///x"]
)
def test_what_is_no_http_url_is_refused(url: str) -> None:
    for meant in (whip_url, whep_url):
        with pytest.raises(LocalError, match="is not a URL"):
            meant(url)


@pytest.mark.parametrize("path", ["", "/", "/whip", "/whip/", "/publish"])
def test_a_nodes_address_stands_for_its_whip_endpoint(path: str) -> None:
    assert whip_url(f"http://h:7400{path}") == "http://h:7400/whip"
    assert whip_url(f"http://h:7400{path}", PRODUCER) == f"http://h:7400/whip/{PRODUCER}"


def test_any_other_whip_url_is_left_alone() -> None:
    assert whip_url("https://h/live/whip?key=1") == "https://h/live/whip?key=1"
    assert whip_url(f"http://h/whip/{PRODUCER}", PRODUCER) == f"http://h/whip/{PRODUCER}"


def test_an_id_beside_a_url_that_names_its_stream_is_refused() -> None:
    with pytest.raises(LocalError, match="leave --id out"):
        whip_url("https://h/live/whip", PRODUCER)


def test_a_watch_page_stands_for_its_whep_endpoint() -> None:
    assert whep_url(f"http://h:1/watch/{PRODUCER}") == f"http://h:1/whep/{PRODUCER}"
    assert whep_url(f"http://h:1/whep/{PRODUCER}") == f"http://h:1/whep/{PRODUCER}"


def test_a_url_without_a_stream_cannot_be_played() -> None:
    with pytest.raises(LocalError, match="names no stream"):
        whep_url("http://h:1/")


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"title": 1}', "null", "{", "\x00"])
def test_a_body_that_is_no_problem_document_has_no_title(body: str) -> None:
    assert problem_title(body) is None


def test_a_problems_detail_is_told_with_its_title() -> None:
    assert problem_title('{"title": "Try again", "detail": "nobody is here"}') == "Try again: nobody is here"
