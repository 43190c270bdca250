"""The JSON API and the probes."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from aiohttp import ClientSession

from foundation import errors, limits

PRODUCER = "123e4567-e89b-42d3-a456-426614174000"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def test_a_process_that_answers_is_alive(client: ClientSession, service: Any) -> None:
    service.not_ready = "It drains."
    response = await client.get("/livez")
    assert response.status == 200
    assert await response.json() == {"status": "alive"}


async def test_a_node_that_takes_work_is_ready(client: ClientSession) -> None:
    response = await client.get("/readyz")
    assert response.status == 200
    assert await response.json() == {"status": "ready"}


async def test_a_node_that_takes_no_work_says_why(client: ClientSession, service: Any) -> None:
    service.not_ready = "It drains."
    response = await client.get("/readyz")
    assert response.status == 503
    assert response.content_type == "application/problem+json"
    assert (await response.json())["detail"] == "It drains."


async def test_the_node_describes_itself(client: ClientSession, service: Any) -> None:
    response = await client.get("/api/v1/node")
    assert response.content_type == "application/json"
    assert await response.json() == {**service.describe(), "not_ready": None}
    service.not_ready = "It drains."
    assert (await (await client.get("/api/v1/node")).json())["not_ready"] == "It drains."


async def test_the_carried_producers_are_listed(client: ClientSession, service: Any) -> None:
    assert await (await client.get("/api/v1/producers")).json() == {"producers": service.producers()}


@pytest.mark.parametrize("path", ["/api/v1/producers/{}", "/api/v1/producers/{}/tree"])
async def test_a_producer_is_looked_up_in_the_swarm(client: ClientSession, service: Any, path: str) -> None:
    assert await (await client.get(path.format(PRODUCER))).json() == service.lookup


@pytest.mark.parametrize("path", ["/api/v1/producers/{}", "/api/v1/producers/{}/tree"])
async def test_a_producer_that_is_not_live_is_a_404(client: ClientSession, path: str) -> None:
    response = await client.get(path.format(UNKNOWN))
    assert response.status == 404
    assert response.content_type == "application/problem+json"
    problem = await response.json()
    assert problem["type"] == "urn:swarmd:problem:no-such-producer"
    assert problem["detail"] == "No live producer has this id."


@pytest.mark.parametrize("path", ["/api/v1/producers/{}", "/api/v1/producers/{}/tree"])
@pytest.mark.parametrize(("error", "status"), [(errors.SwarmFull("x"), 503), (KeyError("x"), 500)])
async def test_a_lookup_that_fails_is_a_problem(
    client: ClientSession, service: Any, path: str, error: Exception, status: int
) -> None:
    service.lookup = error
    response = await client.get(path.format(PRODUCER))
    assert response.status == status
    assert response.content_type == "application/problem+json"


@pytest.mark.parametrize("path", ["/api/v1/producers/{}", "/api/v1/producers/{}/tree"])
async def test_a_lookup_that_takes_too_long_is_a_503(
    client: ClientSession, service: Any, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    async def never(producer_id: UUID) -> Any:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(limits, "api_lookup_seconds_max", 0.01)
    monkeypatch.setattr(service, "find", never)
    monkeypatch.setattr(service, "tree", never)
    response = await client.get(path.format(PRODUCER))
    assert response.status == 503
    assert (await response.json())["type"] == "urn:swarmd:problem:too-slow"
