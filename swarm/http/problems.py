"""Every refusal of the HTTP server, as `application/problem+json` (RFC 9457); the errors of the house are mapped here.

A title says what to do. A detail is the text of a `SwarmdError`, which may be shown to whoever caused it.
"""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from foundation import errors, limits

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of refusal: `name` ends its `type` URN, `headers` go into the response."""

    status: int
    name: str
    title: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self, detail: str | None = None, headers: Mapping[str, str] | None = None) -> web.Response:
        """The refusal as an HTTP response."""
        body = {"type": f"urn:swarmd:problem:{self.name}", "title": self.title, "status": self.status}
        if detail:
            body["detail"] = detail
        return web.Response(
            status=self.status,
            body=json.dumps(body).encode(),
            headers={"Content-Type": "application/problem+json", **self.headers, **(headers or {})},
        )


class Refusal(Exception):
    """Raised by a handler: ends the request with this problem; `close` also ends the connection."""

    def __init__(
        self,
        problem: Problem,
        detail: str | None = None,
        headers: Mapping[str, str] | None = None,
        close: bool = False,
    ) -> None:
        super().__init__(problem.name)
        self.problem = problem
        self.detail = detail
        self.headers = headers
        self.close = close

    def response(self) -> web.Response:
        response = self.problem.response(self.detail, self.headers)
        if self.close:
            response.force_close()
        return response


def _challenge(error: str = "") -> dict[str, str]:
    """RFC 6750 section 3."""
    return {"WWW-Authenticate": 'Bearer realm="swarmd"' + (f', error="{error}"' if error else "")}


_retry_absent = {"Retry-After": str(limits.absent_retry_seconds)}
_retry_full = {"Retry-After": str(limits.full_retry_seconds)}

BAD_OFFER = Problem(400, "bad-offer", "Send a valid SDP offer")
BAD_FRAGMENT = Problem(400, "bad-fragment", "Send a valid trickle-ICE SDP fragment")
BAD_EVENTS = Problem(400, "bad-events", 'Send a JSON array of event names, such as ["reconnect"], or no body')
BAD_BODY = Problem(400, "bad-body", "Send the whole body")
BAD_ID = Problem(400, "bad-producer-id", "Give the producer id as a UUID, such as 123e4567-e89b-42d3-a456-426614174000")
BAD_DRAIN = Problem(400, "bad-drain", 'Send a JSON object such as {} or {"seconds": 30}')
BAD_REQUEST = Problem(400, "bad-request", "Send a request that keeps the rules")
NO_TOKEN = Problem(401, "no-token", "Send an access token: 'Authorization: Bearer TOKEN'", _challenge())
BAD_TOKEN = Problem(401, "bad-token", "Get a new access token: this one is not valid", _challenge("invalid_token"))
NOT_GRANTED = Problem(403, "not-granted", "Use a token that grants this", _challenge("insufficient_scope"))
BEHIND_PROXY = Problem(403, "behind-proxy", "Name the reverse proxy with --trusted-proxy, and configure access tokens")
TOO_MANY = Problem(429, "too-many-requests", "Ask less often", {"Retry-After": "1"})
TOO_MANY_SET_UPS = Problem(
    429, "too-many-set-ups", "Connect the sessions that were answered first, then ask again", {"Retry-After": "1"}
)
LOOPBACK_ONLY = Problem(403, "loopback-only", "Use this node from its own machine, or have it opened to others")
NOT_FOUND = Problem(404, "not-found", "Check the address: there is nothing here")
NO_SESSION = Problem(404, "no-such-session", "Start a new session: there is none at this address")
UNKNOWN_PRODUCER = Problem(404, "no-such-producer", "Check the producer id, or wait until it is published")
WRONG_METHOD = Problem(405, "method-not-allowed", "Use one of the methods in the Allow header")
SLOW_BODY = Problem(408, "slow-body", "Send the body faster")
ABSENT_PRODUCER = Problem(409, "no-such-producer", "Try again later: no live producer has this id", _retry_absent)
TAKEN = Problem(409, "producer-taken", "Choose another producer id, or end the live stream that has this one")
CHANGED = Problem(412, "etag-mismatch", "Use the ETag of the session as it is now")
TOO_LARGE = Problem(413, "too-large", "Send a smaller body")
WRONG_TYPE = Problem(415, "wrong-content-type", "Send the body with the right Content-Type")
WRONG_HOST = Problem(421, "wrong-host", "Use this node by its IP address or as localhost")
NO_COMMON_CODEC = Problem(422, "no-common-codec", "Offer a codec that the other side knows too")
NO_RESTART = Problem(422, "no-ice-restart", "Start a new session: ICE restarts are not supported")
NO_PRECONDITION = Problem(428, "etag-required", "Send the session's ETag in If-Match")
BROKEN = Problem(500, "internal-error", "Try again; the node's log says what failed")
FULL = Problem(503, "full", "Try again later, or add a node to the swarm: there is no room", _retry_full)
TOO_SLOW = Problem(503, "too-slow", "Try again later: the swarm did not answer in time", _retry_full)
NO_WAY_ON = Problem(
    503, "no-usable-node", "Try again later: the node that should serve this has no usable address", _retry_full
)
NOT_READY = Problem(503, "not-ready", "Use another node: this one takes no work now", _retry_full)

_by_error: tuple[tuple[type[errors.SwarmdError], Problem], ...] = (
    (errors.BadOffer, BAD_OFFER),
    (errors.NoCommonCodec, NO_COMMON_CODEC),
    (errors.ProducerTaken, TAKEN),
    (errors.NoSuchProducer, ABSENT_PRODUCER),
    (errors.SwarmFull, FULL),
    (errors.BadToken, BAD_TOKEN),
    (errors.RemoteError, BAD_REQUEST),
)
"""The first match counts; a `LocalError` is ours, and so answered like any other failure."""


def refusal_of(error: errors.SwarmdError) -> Refusal | None:
    """What an error of the house means to an HTTP client; `None` where the fault is not the client's."""
    for kind, problem in _by_error:
        if isinstance(error, kind):
            return Refusal(problem, str(error))
    return None


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The outermost middleware: whatever a handler raises becomes a problem, and nothing internal gets out."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return refusal.response()
    except web.HTTPException as exc:
        return _of_router(exc)
    except TimeoutError:
        return TOO_SLOW.response()
    except errors.SwarmdError as error:
        refused = refusal_of(error)
        return refused.response() if refused else _broken(request, error)
    except Exception as error:
        return _broken(request, error)


def _of_router(exc: web.HTTPException) -> web.Response:
    """What aiohttp itself refuses: unknown paths and methods."""
    if isinstance(exc, web.HTTPMethodNotAllowed):
        return WRONG_METHOD.response(headers={"Allow": ", ".join(sorted(exc.allowed_methods))})
    if exc.status == 404:
        return NOT_FOUND.response()
    return Problem(exc.status, "refused", exc.reason).response()


def _broken(request: web.Request, error: Exception) -> web.Response:
    """Logged by route, not by path: ids in paths are secrets."""
    resource = request.match_info.route.resource
    logger.error("%s %s failed", request.method, resource.canonical if resource else "?", exc_info=error)
    return BROKEN.response()
