"""The API client against the real HTTP server, with a node that answers as it is told to."""

import json
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from foundation import limits
from foundation.errors import LocalError, NoSuchProducer, RemoteError
from swarm.client.api import NodeApi

PRODUCER = UUID("123e4567-e89b-42d3-a456-426614174000")


class Answers:
    """What the next request gets, and which paths were asked."""

    def __init__(self) -> None:
        self.status = 200
        self.body: bytes = b"{}"
        self.paths: list[str] = []
        self.base = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.paths.append(request.path)
        return web.Response(status=self.status, body=self.body, content_type="application/json")


@pytest.fixture
async def answers() -> AsyncIterator[Answers]:
    answers = Answers()
    app = web.Application()
    app.router.add_get("/{path:.*}", answers.handle)
    async with TestServer(app, host="127.0.0.1") as server:
        answers.base = str(server.make_url("/"))
        yield answers


async def test_each_call_asks_its_path(answers: Answers) -> None:
    answers.body = b'{"producers": [{"id": "x"}]}'
    api = NodeApi(answers.base)
    await api.node()
    assert await api.producers() == [{"id": "x"}]
    await api.producer(PRODUCER)
    await api.tree(PRODUCER)
    assert answers.paths == [
        "/api/v1/node",
        "/api/v1/producers",
        f"/api/v1/producers/{PRODUCER}",
        f"/api/v1/producers/{PRODUCER}/tree",
    ]


async def test_a_page_of_the_node_stands_for_the_node(answers: Answers) -> None:
    await NodeApi(f"{answers.base}watch/{PRODUCER}").node()
    assert answers.paths == ["/api/v1/node"]


async def test_an_unknown_producer_is_said_so(answers: Answers) -> None:
    answers.status, answers.body = 404, json.dumps({"title": "Check the producer id"}).encode()
    with pytest.raises(NoSuchProducer, match="Check the producer id"):
        await NodeApi(answers.base).tree(PRODUCER)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"<html>", b"\xff\xfe", b'{"a": '])
async def test_an_answer_that_is_no_json_object_is_a_remote_error(answers: Answers, body: bytes) -> None:
    answers.body = body
    with pytest.raises(RemoteError, match="is it a swarmd node"):
        await NodeApi(answers.base).node()


async def test_an_answer_without_producers_is_a_remote_error(answers: Answers) -> None:
    with pytest.raises(RemoteError, match="is it a swarmd node"):
        await NodeApi(answers.base).producers()


async def test_an_endless_answer_is_a_remote_error(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "api_bytes_max", 100)
    answers.body = b" " * 101
    with pytest.raises(RemoteError, match="more than"):
        await NodeApi(answers.base).node()


async def test_no_node_is_a_remote_error_that_names_the_address(unused_tcp_port: int) -> None:
    with pytest.raises(RemoteError, match=str(unused_tcp_port)):
        await NodeApi(f"http://127.0.0.1:{unused_tcp_port}").node()


def test_what_is_no_url_is_a_local_error() -> None:
    with pytest.raises(LocalError):
        NodeApi("127.0.0.1:7400")
