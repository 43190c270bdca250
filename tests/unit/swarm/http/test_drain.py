"""Leaving by HTTP: who may ask for it, and how."""

from typing import Any

import pytest
from aiohttp import ClientSession

from foundation import limits
from swarm.http import authorization
from swarm.tokens import Access, Grant

DRAIN = "/api/v1/drain"


async def test_an_empty_object_drains_for_the_configured_time(client: ClientSession, service: Any) -> None:
    response = await client.post(DRAIN, json={})
    assert response.status == 202
    assert (await response.json())["draining"] is True
    assert service.drains == [None]


async def test_the_time_may_be_given(client: ClientSession, service: Any) -> None:
    for seconds in (0, 2.5, limits.drain_seconds_max):
        assert (await client.post(DRAIN, json={"seconds": seconds})).status == 202
    assert service.drains == [0, 2.5, limits.drain_seconds_max]


async def test_a_drain_is_taken_back(client: ClientSession, service: Any) -> None:
    response = await client.delete(DRAIN)
    assert response.status == 200
    assert await response.json() == service.drain_state()
    assert service.drains == ["undo"]


@pytest.mark.parametrize(
    "body",
    ["[]", "1", "{", "nothing", *(f'{{"seconds": {value}}}' for value in ('"5"', "-1", "true", "1e99", "NaN", "[]"))],
)
async def test_what_names_no_time_is_refused(client: ClientSession, service: Any, body: str) -> None:
    response = await client.post(DRAIN, data=body, headers={"Content-Type": "application/json"})
    assert response.status == 400
    assert (await response.json())["type"] == "urn:swarmd:problem:bad-drain"
    assert service.drains == []


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
async def test_what_a_page_of_another_site_can_send_is_refused(
    client: ClientSession, service: Any, content_type: str
) -> None:
    response = await client.post(DRAIN, data="{}", headers={"Content-Type": content_type})
    assert response.status == 415
    assert "Access-Control-Allow-Origin" not in response.headers
    assert service.drains == []


async def test_only_its_own_machine_may_end_a_node_whoever_else_is_served(
    client: ClientSession, service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authorization, "EVERYTHING", Access(frozenset({Grant.PUBLISH, Grant.PLAY})))
    assert (await client.post(DRAIN, json={})).status == 403
    assert (await client.delete(DRAIN)).status == 403
    assert (await client.get(DRAIN)).status == 200
    assert service.drains == []
