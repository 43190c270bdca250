"""Offer and answer over HTTP: what RFC 9725 (WHIP) and draft-ietf-wish-whep (WHEP) have in common."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import aiohttp
from yarl import URL

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

Protocol = Literal["WHIP", "WHEP"]

_sent_on = (307, 308)
"""The redirects that keep method and body (RFC 9110 §15.4.8); RFC 9725 §4.5 allows 307 only, some servers send 308."""


class HttpSignalling:
    """`exchange` and `end` of one session with a WHIP or WHEP endpoint, as `ClientPeer` wants them."""

    def __init__(self, url: str, protocol: Protocol, token: str = "") -> None:
        """`token` is shown to that URL, and to the nodes it sends us on to, which belong to it.

        Raises `LocalError` when `url` is not an http or https URL.
        """
        self._url = http_url(url)
        self.headers = bearer(token)
        """Of every request."""
        self._protocol: Protocol = protocol
        self.producer_id: UUID | None = None
        """What the node called the producer (`Swarm-Producer-Id`), once answered; None from other servers."""
        self.origin: str = str(self._url.origin())
        """`http://host:port` of the node that answered in the end."""
        self.answered: URL | None = None
        """The URL of that answer."""
        self.link: str = ""
        """Its `Link` headers: the extensions of the session."""

    @property
    def url(self) -> str:
        """Where the session was asked for."""
        return str(self._url)

    async def exchange(self, offer: str) -> tuple[str, str]:
        """POSTs the offer, wherever 307 leads. Raises the `RemoteError` that fits the status."""
        async with _http(self.headers) as http:
            answered = await self._post(http, offer)
        self.origin = str(answered.url.origin())
        self.producer_id = _uuid(answered.headers.get("Swarm-Producer-Id", ""))
        self.answered, self.link = answered.url, answered.headers.get("Link", "")
        location = answered.headers.get("Location")
        if not location:
            raise RemoteError(f"{answered.url} answered without a Location: it is no {self._protocol} endpoint")
        return answered.body, str(_joined(answered.url, location))

    async def end(self, session: str) -> None:
        """DELETEs the session; one that is gone already is as good."""
        async with _http(self.headers) as http:
            response = await _request(http, "DELETE", URL(session), None)
        if response.status >= 400 and response.status not in (404, 410):
            raise _refusal(self._protocol, response)

    async def _post(self, http: aiohttp.ClientSession, offer: str) -> "_Response":
        url = self._url
        for _ in range(limits.redirects_max + 1):
            response = await _request(http, "POST", url, offer)
            if response.status not in _sent_on:
                break
            url = _followed(url, response)
        else:
            raise RemoteError(f"{self._url} sent us on more than {limits.redirects_max} times")
        if response.status != 201:
            raise _refusal(self._protocol, response)
        return response


@dataclass(frozen=True, slots=True)
class _Response:
    url: URL
    status: int
    headers: Mapping[str, str]
    body: str


def http_url(text: str) -> URL:
    """An absolute http or https URL. Raises `LocalError` with what to write instead."""
    try:
        url = URL(text)
        if url.scheme in ("http", "https") and url.host:
            return url
    except ValueError:
        pass
    raise LocalError(f"{text!r} is not a URL: write http://HOST:PORT/...")


def whip_url(text: str, producer_id: UUID | None = None) -> str:
    """The WHIP endpoint meant by `text`: a node's base URL or its publish page stand for `/whip`, the id is added.

    Any other URL is taken as it is, for WHIP servers of other makers. Raises `LocalError`.
    """
    url = http_url(text)
    if url.path.rstrip("/") in ("", "/whip", "/publish"):
        return str(url.with_path("/whip" if producer_id is None else f"/whip/{producer_id}"))
    if producer_id is not None and _uuid(url.name) != producer_id:
        raise LocalError(f"{text} names its stream itself: leave --id out, or write {url.origin()}/whip")
    return str(url)


def whep_url(text: str) -> str:
    """The WHEP endpoint meant by `text`: a node's `/watch/UUID` page stands for `/whep/UUID`. Raises `LocalError`."""
    url = http_url(text)
    if url.path.startswith("/watch/"):
        return str(url.with_path("/whep/" + url.path.removeprefix("/watch/")))
    if url.path in ("", "/"):
        raise LocalError(f"{text} names no stream: write {url.origin()}/watch/UUID")
    return str(url)


def bearer(token: str) -> dict[str, str]:
    """The header that shows an access token; none without one."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def _http(headers: Mapping[str, str]) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=limits.http_seconds_max))


async def _request(http: aiohttp.ClientSession, method: str, url: URL, offer: str | None) -> _Response:
    headers = {"Content-Type": "application/sdp", "Accept": "application/sdp"} if offer is not None else {}
    data = None if offer is None else offer.encode()
    try:
        async with http.request(method, url, data=data, headers=headers, allow_redirects=False) as response:
            body = await read_bounded(response, limits.answer_bytes_max)
            return _Response(url, response.status, response.headers, body.decode("utf-8", "replace"))
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        raise unreachable(url, exc) from exc


async def read_bounded(response: aiohttp.ClientResponse, bytes_max: int) -> bytes:
    """The whole body. Raises `RemoteError` when it is longer than `bytes_max`."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > bytes_max:
            raise RemoteError(f"{response.url} answered with more than {bytes_max} bytes")
    return bytes(body)


def unreachable(url: URL, exc: BaseException) -> RemoteError:
    """What to tell when nothing sensible answered at `url`."""
    if isinstance(exc, TimeoutError):
        return RemoteError(f"{url.origin()} did not answer within {limits.http_seconds_max:.0f} s")
    if isinstance(exc, aiohttp.ClientConnectorError):
        return RemoteError(f"no node answers at {url.origin()}: is it running, and the address right?")
    return RemoteError(f"{url.origin()} does not speak HTTP as it should: {exc}")


def problem_title(body: str) -> str | None:
    """The title of an RFC 9457 problem document, with its detail when there is one; None for anything else."""
    try:
        problem = json.loads(body)
    except ValueError:
        return None
    if not isinstance(problem, dict) or not isinstance(problem.get("title"), str):
        return None
    title, detail = problem["title"], problem.get("detail")
    return f"{title}: {detail}" if isinstance(detail, str) and detail and detail != title else title


def _refusal(protocol: Protocol, response: _Response) -> RemoteError:
    title = problem_title(response.body) or f"{response.url} answered {response.status}"
    if response.status == 409:
        return (ProducerTaken if protocol == "WHIP" else NoSuchProducer)(title)
    by_status: dict[int, type[RemoteError]] = {400: BadOffer, 422: NoCommonCodec, 503: SwarmFull}
    return by_status.get(response.status, RemoteError)(title)


def _followed(url: URL, response: _Response) -> URL:
    location = response.headers.get("Location")
    if not location:
        raise RemoteError(f"{url} sent us on without saying where")
    target = _joined(url, location)
    if url.scheme == "https" and target.scheme != "https":
        raise RemoteError(f"{url} sent us on to {target}, which is not encrypted: not followed")
    return target


def _joined(url: URL, location: str) -> URL:
    try:
        target = url.join(URL(location))
    except ValueError:
        raise RemoteError(f"{url} gave a Location that is no URL") from None
    if target.scheme not in ("http", "https") or not target.host:
        raise RemoteError(f"{url} gave a Location that is no http URL")
    return target


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
