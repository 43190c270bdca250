"""Every method on every path, and the headers that go with all of them."""

import json
from typing import Any

import pytest
from aiohttp import ClientSession

from swarm.http.server import make_app

PRODUCER = "123e4567-e89b-42d3-a456-426614174000"
LIVE = "/session/c2Vzc2lvbi1pZC1ub2JvZHktZ3Vlc3Nlcw"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")

ENDPOINT = {"GET": 204, "HEAD": 204, "POST": 415, "OPTIONS": 200}
READ = {"GET": 200, "HEAD": 200}
ALLOWED: dict[str, dict[str, int]] = {
    "/whip": ENDPOINT,
    f"/whip/{PRODUCER}": ENDPOINT,
    f"/whep/{PRODUCER}": {**ENDPOINT, "GET": 200, "HEAD": 200},
    LIVE: {"GET": 204, "HEAD": 204, "PATCH": 415, "DELETE": 200, "OPTIONS": 200},
    f"{LIVE}/events": {"POST": 201, "OPTIONS": 200},
    f"{LIVE}/events/stream": {"GET": 404, "DELETE": 404, "OPTIONS": 200},
    "/": READ,
    "/publish": READ,
    f"/watch/{PRODUCER}": READ,
    "/static/style.css": READ,
    "/favicon.ico": READ,
    "/livez": READ,
    "/readyz": READ,
    "/api/v1/node": READ,
    "/api/v1/producers": READ,
    f"/api/v1/producers/{PRODUCER}": READ,
    f"/api/v1/producers/{PRODUCER}/tree": READ,
    "/api/v1/drain": {**READ, "POST": 415, "DELETE": 200},
    "/api/v1/openapi.json": READ,
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", ALLOWED)
async def test_each_path_answers_its_methods_and_no_other(client: ClientSession, path: str, method: str) -> None:
    response = await client.request(method, path)
    if method in ALLOWED[path]:
        assert response.status == ALLOWED[path][method]
    else:
        assert response.status == 405
        assert response.content_type == "application/problem+json"
        allowed = set(response.headers["Allow"].split(", "))
        assert allowed == set(ALLOWED[path])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/whip/",
        "/whep",
        "/whep/",
        "/session/",
        "/session",
        f"/whip/{PRODUCER}/x",
        f"/watch/{PRODUCER}/",
        "/watch",
        "/api",
        "/api/v1",
        "/api/v2/node",
        "/static",
        "/static/",
        "/WHIP",
    ],
)
async def test_an_unknown_path_is_a_problem_whatever_the_method(client: ClientSession, path: str, method: str) -> None:
    response = await client.request(method, path)
    assert response.status == 404
    assert response.content_type == "application/problem+json"
    if method != "HEAD":
        assert (await response.json())["type"] == "urn:swarmd:problem:not-found"


@pytest.mark.parametrize("path", ["/whip", f"/whip/{PRODUCER}", f"/whep/{PRODUCER}", LIVE, "/whip/malformed"])
async def test_a_preflight_allows_what_whip_and_whep_clients_send(client: ClientSession, path: str) -> None:
    headers = {
        "Origin": "https://elsewhere.example",
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "content-type,if-match",
    }
    response = await client.options(path, headers=headers)
    assert response.status == 200
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in response.headers
    methods = set(response.headers["Access-Control-Allow-Methods"].split(", "))
    assert methods >= {"POST", "PATCH", "DELETE"}
    allowed = set(response.headers["Access-Control-Allow-Headers"].lower().split(", "))
    assert allowed >= {"content-type", "authorization", "if-match", "etag"}
    if "session" in path:
        assert response.headers["Accept-Patch"] == "application/trickle-ice-sdpfrag"
    else:
        assert response.headers["Accept-Post"] == "application/sdp"


async def test_a_foreign_page_may_read_what_it_needs(client: ClientSession) -> None:
    response = await client.post("/whip", data="v=0\r\n", headers={"Content-Type": "application/sdp"})
    exposed = set(response.headers["Access-Control-Expose-Headers"].lower().split(", "))
    assert exposed >= {
        "location",
        "etag",
        "link",
        "accept-patch",
        "retry-after",
        "swarm-producer-id",
        "access-control-allow-methods",
    }
    assert "PATCH" in response.headers["Access-Control-Allow-Methods"]


@pytest.mark.parametrize("path", ["/whip/x/y", "/whip/malformed", "/session/unknown", "/whep"])
async def test_a_foreign_page_may_read_why_it_was_refused(client: ClientSession, path: str) -> None:
    response = await client.get(path)
    assert response.status >= 400
    assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("path", ["/", "/api/v1/node", "/api/v1/producers", "/livez", "/static/style.css", "/nothing"])
async def test_a_foreign_page_may_not_read_what_is_not_meant_for_it(client: ClientSession, path: str) -> None:
    response = await client.get(path, headers={"Origin": "https://elsewhere.example"})
    assert not [name for name in response.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize("path", [*ALLOWED, "/nothing"])
async def test_every_answer_forbids_guessing_and_names_no_software_version(client: ClientSession, path: str) -> None:
    response = await client.get(path)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Server"] == "swarmd"
    assert "Cache-Control" in response.headers


async def test_the_openapi_document_and_the_router_agree(client: ClientSession, service: Any) -> None:
    document = await (await client.get("/api/v1/openapi.json")).json()
    pages = {"/", "/publish", "/watch/{producer_id}", "/static/{name}", "/favicon.ico"}
    routed: dict[str, set[str]] = {}
    for route in make_app(service).router.routes():
        assert route.resource is not None
        if route.resource.canonical not in pages:
            routed.setdefault(route.resource.canonical, set()).add(route.method.lower())
    described = {
        path: {method for method in item if method in ("get", "post", "patch", "delete", "put")}
        for path, item in document["paths"].items()
    }
    assert described == {path: methods - {"head", "options"} for path, methods in routed.items()}


async def test_the_openapi_document_refers_only_to_what_it_has(client: ClientSession) -> None:
    text = await (await client.get("/api/v1/openapi.json")).text()
    document = json.loads(text)
    references = {part.split('"')[0] for part in text.split('"$ref": "#/components/')[1:]}
    assert references
    for reference in references:
        section, name = reference.split("/")
        assert name in document["components"][section]
