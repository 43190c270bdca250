"""A node's JSON API (`/api/v1`), read over HTTP."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import aiohttp
from yarl import URL

from foundation import limits
from foundation.errors import NoSuchProducer, RemoteError
from swarm.client.signalling import bearer, http_url, problem_title, read_bounded, unreachable


class NodeApi:
    """The API of the node at a base URL. Every call raises `RemoteError` when there is no good answer."""

    def __init__(self, base: str, token: str = "") -> None:
        """`token` is an access token, where the node wants one. Raises `LocalError` when `base` is no http URL."""
        self._base = http_url(base).origin()
        self._headers = bearer(token)

    async def node(self) -> dict[str, Any]:
        """Who the node is, its peers and counters."""
        return await self._get("node")

    async def producers(self) -> list[dict[str, Any]]:
        """What the node carries."""
        producers = (await self._get("producers")).get("producers")
        if not isinstance(producers, list):
            raise RemoteError(f"{self._base} answered without producers: is it a swarmd node?")
        return producers

    async def producer(self, producer_id: UUID) -> dict[str, Any]:
        """Who owns a producer. Raises `NoSuchProducer`."""
        return await self._get(f"producers/{producer_id}")

    async def tree(self, producer_id: UUID) -> dict[str, Any]:
        """The relay tree of a producer, from its owner down. Raises `NoSuchProducer`."""
        return await self._get(f"producers/{producer_id}/tree")

    async def drain(self, seconds: float | None = None) -> dict[str, Any]:
        """Has the node leave, within `seconds` or as it is configured."""
        return await self._ask("POST", "drain", {} if seconds is None else {"seconds": seconds})

    async def undrain(self) -> dict[str, Any]:
        """Takes that back."""
        return await self._ask("DELETE", "drain")

    async def _get(self, path: str) -> dict[str, Any]:
        return await self._ask("GET", path)

    async def _ask(self, method: str, path: str, sent: dict[str, Any] | None = None) -> dict[str, Any]:
        url = self._base / "api/v1" / path
        status, body = await _fetch(self._headers, method, url, sent)
        if status not in (200, 202):
            title = problem_title(body) or f"{url} answered {status}"
            raise (NoSuchProducer if status in (404, 409) else RemoteError)(title)
        try:
            value = json.loads(body)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise RemoteError(f"{url} did not answer with a JSON object: is it a swarmd node?")
        return value


async def _fetch(headers: Mapping[str, str], method: str, url: URL, sent: dict[str, Any] | None) -> tuple[int, str]:
    timeout = aiohttp.ClientTimeout(total=limits.http_seconds_max)
    try:
        async with (
            aiohttp.ClientSession(headers=headers, timeout=timeout) as http,
            http.request(method, url, json=sent) as response,
        ):
            body = await read_bounded(response, limits.api_bytes_max)
            return response.status, body.decode("utf-8", "replace")
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        raise unreachable(url, exc) from exc
