"""Request bodies: of one content type, bounded in size and time, as text."""

import asyncio

from aiohttp import web

from foundation import limits
from swarm.http.problems import BAD_BODY, SLOW_BODY, TOO_LARGE, WRONG_TYPE, Problem, Refusal


async def read_text(request: web.Request, content_type: str, accept_header: str, bytes_max: int, bad: Problem) -> str:
    """The body of a request as text.

    Raises `Refusal`: 415 with `accept_header` naming the right type, 413, 408; `bad` for what is empty or not UTF-8.
    """
    given = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if given != content_type:
        raise Refusal(WRONG_TYPE, f"The body has to be {content_type}.", {accept_header: content_type})
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise Refusal(WRONG_TYPE, "The body has to come without Content-Encoding.", {"Accept-Encoding": "identity"})
    body = await _read(request, bytes_max)
    if not body.strip():
        raise Refusal(bad, "The body is empty.")
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Refusal(bad, "The body is not UTF-8.") from None


async def _read(request: web.Request, bytes_max: int) -> bytes:
    too_large = Refusal(TOO_LARGE, f"At most {bytes_max} bytes are taken.", close=True)
    if (request.content_length or 0) > bytes_max:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(limits.http_body_seconds_max):
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > bytes_max:
                    raise too_large
    except TimeoutError:
        raise Refusal(SLOW_BODY, close=True) from None
    except (web.RequestPayloadError, ConnectionError):
        raise Refusal(BAD_BODY, close=True) from None
    return bytes(body)
