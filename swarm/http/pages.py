"""The pages and what they load: read into memory once, so that no request ever names a file."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files

from aiohttp import web

from swarm.http.offers import producer_id_of
from swarm.http.problems import NOT_FOUND, Refusal

_CONTENT_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "json": "application/json",
}

_POLICY = (
    "default-src 'self'; connect-src {connect}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'"
)
_PLAIN = {"Content-Security-Policy": _POLICY.format(connect="'self'")}
_MEDIA = {
    "Content-Security-Policy": _POLICY.format(connect="'self' http: https:"),
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self), geolocation=()",
}
"""Publishing and watching may be sent on (307) to a node with any address, so those pages may talk to any."""


@dataclass(frozen=True, slots=True)
class _Asset:
    body: bytes
    content_type: str
    etag: str


class Pages:
    """`/`, `/publish`, `/watch/{producer_id}` and `/static/{name}`."""

    def __init__(self) -> None:
        self._assets = _load()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self.dashboard),
            web.get("/publish", self.publish),
            web.get("/watch/{producer_id:[^/]+}", self.watch),
            web.get("/static/{name:[^/]+}", self.static),
            web.get("/favicon.ico", self.favicon),
            web.get("/api/v1/openapi.json", self.openapi),
        ]

    async def dashboard(self, request: web.Request) -> web.StreamResponse:
        return self._serve(request, "dashboard.html", _PLAIN)

    async def publish(self, request: web.Request) -> web.StreamResponse:
        return self._serve(request, "publish.html", _MEDIA)

    async def watch(self, request: web.Request) -> web.StreamResponse:
        producer_id_of(request)
        return self._serve(request, "watch.html", _MEDIA)

    async def static(self, request: web.Request) -> web.StreamResponse:
        return self._serve(request, request.match_info["name"], _PLAIN)

    async def favicon(self, request: web.Request) -> web.StreamResponse:
        return self._serve(request, "icon.svg", _PLAIN)

    async def openapi(self, request: web.Request) -> web.StreamResponse:
        return self._serve(request, "openapi.json", {})

    def _serve(self, request: web.Request, name: str, headers: dict[str, str]) -> web.StreamResponse:
        asset = self._assets.get(name)
        if asset is None:
            raise Refusal(NOT_FOUND)
        headers = {"Content-Type": asset.content_type, "ETag": asset.etag, "Cache-Control": "no-cache", **headers}
        if asset.etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        return web.Response(body=asset.body, headers=headers)


def _load() -> dict[str, _Asset]:
    assets = {}
    for entry in files("swarm.http").joinpath("static").iterdir():
        content_type = _CONTENT_TYPES.get(entry.name.rpartition(".")[2])
        if content_type:
            body = entry.read_bytes()
            assets[entry.name] = _Asset(body, content_type, f'"{hashlib.sha256(body).hexdigest()[:16]}"')
    return assets
