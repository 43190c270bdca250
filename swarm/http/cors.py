"""Cross-origin use of WHIP and WHEP by any page, without credentials (WHATWG Fetch; RFC 9725 section 4.2)."""

from aiohttp import web

_SHARED_PREFIXES = ("/whip", "/whep", "/session/")

_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, PATCH, DELETE, GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "Content-Type, Authorization, If-Match, ETag, Link",
    "Access-Control-Expose-Headers": (
        "Location, ETag, Link, Accept-Patch, Accept-Post, Retry-After, Swarm-Producer-Id, Access-Control-Allow-Methods"
    ),
    "Access-Control-Max-Age": "7200",
}
"""7200 s is the most that Chromium remembers a preflight for."""

_ALWAYS = {
    "Server": "swarmd",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """For `on_response_prepare`: refusals carry the headers too, or a page could not read why it was refused."""
    response.headers.update(_ALWAYS)
    response.headers.setdefault("Cache-Control", "no-store")
    if request.path.startswith(_SHARED_PREFIXES):
        response.headers.update(_CORS)
