"""Who may do what: tokens, tickets, and what others get to know, which is nothing."""

from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from aiohttp import ClientResponse, ClientSession
from yarl import URL

from foundation import limits
from foundation.address import format_address
from swarm.http.authorization import Authorization
from swarm.http.server import HttpServer, make_app
from swarm.service import SentOn
from swarm.tickets import Tickets
from swarm.tokens import Access, Grant, TokenKey, make_token
from tests.unit.swarm.conftest import ANSWER, PRODUCER, SESSION

NOW = 1_700_000_000
SECRET = b"s" * 32
ME, OTHER = "http://192.0.2.1:7400", "http://192.0.2.2:7400"
TICKETS = Tickets(ME, (b"k" * 32,))
OFFER = {"data": ANSWER, "headers": {"Content-Type": "application/sdp"}}
WHIP, WHEP, SESSION_PATH = f"/whip/{PRODUCER}", f"/whep/{PRODUCER}", f"/session/{SESSION}"
STRANGER = "123e4567-e89b-42d3-a456-426614174999"


def token(*grants: str, subject: str = "", producers: Any = None) -> str:
    access = Access(frozenset(grants), None if producers is None else frozenset(producers), subject)
    return make_token(SECRET, access, NOW + 60)


def bearer(*grants: str, subject: str = "", producers: Any = None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(*grants, subject=subject, producers=producers)}"}


@pytest.fixture
def authorization(monkeypatch: pytest.MonkeyPatch) -> Authorization:
    monkeypatch.setattr(limits, "failed_token_pause_seconds", 0)
    return Authorization(TokenKey(SECRET), TICKETS, wall_clock=lambda: NOW)


@pytest.fixture
async def server(service: Any, authorization: Authorization) -> AsyncIterator[HttpServer]:
    """A server that wants tokens."""
    server = await HttpServer.start(make_app(service, authorization))
    yield server
    await server.close()


@pytest.fixture
async def client(server: HttpServer) -> AsyncIterator[ClientSession]:
    async with ClientSession(base_url=f"http://{format_address(server.address)}") as client:
        yield client


async def post(client: ClientSession, path: str, headers: dict[str, str]) -> ClientResponse:
    return await client.post(path, data=ANSWER, headers={"Content-Type": "application/sdp", **headers})


async def problem(response: ClientResponse) -> str:
    name: str = (await response.json())["type"]
    return name.removeprefix("urn:swarmd:problem:")


REQUESTS = [
    ("POST", "/whip"),
    ("POST", WHIP),
    ("POST", WHEP),
    ("GET", WHEP),
    ("PATCH", SESSION_PATH),
    ("DELETE", SESSION_PATH),
    ("GET", SESSION_PATH),
    ("GET", "/api/v1/node"),
    ("GET", "/api/v1/producers"),
    ("GET", f"/api/v1/producers/{PRODUCER}"),
    ("GET", f"/api/v1/producers/{PRODUCER}/tree"),
    ("GET", "/nothing"),
]


@pytest.mark.parametrize(("method", "path"), REQUESTS)
async def test_nothing_is_to_be_had_without_a_token(client: ClientSession, method: str, path: str) -> None:
    response = await client.request(method, path)
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="swarmd"'
    assert await problem(response) == "no-token"


@pytest.mark.parametrize(("method", "path"), REQUESTS)
@pytest.mark.parametrize(
    "wrong",
    ["x", "a.b.c", token("admin")[:-2], jwt.encode({"exp": NOW + 9, "grants": ["admin"]}, b"x" * 32), "é"],
)
async def test_nothing_is_to_be_had_with_a_wrong_token(
    client: ClientSession, method: str, path: str, wrong: str
) -> None:
    response = await client.request(method, path, headers={"Authorization": f"Bearer {wrong}"})
    assert response.status == 401
    assert await problem(response) == "bad-token"


@pytest.mark.parametrize("path", ["/", "/publish", f"/watch/{PRODUCER}", "/static/style.css", "/livez", "/readyz"])
async def test_pages_and_probes_are_for_all(client: ClientSession, path: str) -> None:
    assert (await client.get(path)).status == 200


@pytest.mark.parametrize("path", ["/whip", WHEP, SESSION_PATH])
async def test_a_preflight_needs_no_token(client: ClientSession, path: str) -> None:
    assert (await client.options(path)).status == 200


async def test_a_refusal_can_be_read_by_a_page_of_another_origin(client: ClientSession) -> None:
    response = await client.post("/whip", headers={"Origin": "https://elsewhere.example"})
    assert response.headers["Access-Control-Allow-Origin"] == "*"


async def test_a_token_opens_what_it_grants_and_no_more(client: ClientSession) -> None:
    assert (await post(client, WHIP, bearer("publish"))).status == 201
    assert (await post(client, WHEP, bearer("play"))).status == 201
    for path, headers in ((WHEP, bearer("publish")), (WHIP, bearer("play")), ("/whip", bearer("play"))):
        response = await post(client, path, headers)
        assert response.status == 403
        assert await problem(response) == "not-granted"


async def test_a_token_for_another_producer_is_for_this_one_none(client: ClientSession) -> None:
    assert (await post(client, f"/whep/{STRANGER}", bearer("play", producers=[PRODUCER]))).status == 403
    assert (await post(client, WHEP, bearer("play", producers=[PRODUCER]))).status == 201


async def test_a_token_with_named_producers_gets_no_id_of_the_nodes_choice(client: ClientSession) -> None:
    assert (await post(client, "/whip", bearer("publish", producers=[PRODUCER]))).status == 403


@pytest.mark.parametrize("path", ["/api/v1/node", "/api/v1/producers"])
async def test_what_all_others_do_is_for_admins(client: ClientSession, path: str) -> None:
    assert (await client.get(path, headers=bearer("publish", "play"))).status == 403
    assert (await client.get(path, headers=bearer("admin"))).status == 200


async def test_a_session_belongs_to_its_subject(client: ClientSession) -> None:
    await post(client, WHIP, bearer("publish", subject="ann"))
    for headers in (bearer("publish", subject="bob"), bearer("publish")):
        for method in ("GET", "PATCH", "DELETE"):
            response = await client.request(method, SESSION_PATH, headers=headers)
            unknown = await client.request(method, "/session/nobody", headers=headers)
            assert (response.status, await response.json()) == (unknown.status, await unknown.json())
            assert response.status == 404
    assert (await client.delete(SESSION_PATH, headers=bearer("play", subject="ann"))).status == 200


async def test_an_admin_may_end_any_session(client: ClientSession) -> None:
    await post(client, WHIP, bearer("publish", subject="ann"))
    assert (await client.delete(SESSION_PATH, headers=bearer("admin"))).status == 200


async def test_a_ticket_opens_what_it_names(client: ClientSession) -> None:
    ticket = TICKETS.write(ME, PRODUCER, Grant.PLAY, "ann", NOW)
    assert (await post(client, f"{WHEP}?ticket={ticket}", {})).status == 201
    assert (await post(client, f"{WHIP}?ticket={ticket}", {})).status == 403
    assert (await post(client, f"/whep/{STRANGER}?ticket={ticket}", {})).status == 403


async def test_a_ticket_for_another_node_opens_nothing(client: ClientSession) -> None:
    ticket = TICKETS.write(OTHER, PRODUCER, Grant.PLAY, "", NOW)
    assert (await post(client, f"{WHEP}?ticket={ticket}", {})).status == 401


async def test_who_is_sent_on_gets_a_ticket_for_there(client: ClientSession, service: Any) -> None:
    service.outcome = SentOn(OTHER)
    response = await client.post(
        f"{WHEP}?a=b&ticket=old",
        data=ANSWER,
        headers={"Content-Type": "application/sdp", **bearer("play", "admin", subject="ann")},
        allow_redirects=False,
    )
    assert response.status == 307
    location = URL(response.headers["Location"])
    assert (str(location.origin()), location.path, location.query["a"]) == (OTHER, WHEP, "b")
    access = Tickets(OTHER, (b"k" * 32,)).read(location.query["ticket"], NOW)
    assert (access.subject, access.grants) == ("ann", {Grant.PLAY})


async def test_who_needed_no_token_gets_no_ticket(service: Any) -> None:
    service.outcome = SentOn(OTHER)
    server = await HttpServer.start(make_app(service, Authorization(None, TICKETS)))
    async with ClientSession(base_url=f"http://{format_address(server.address)}") as client:
        headers = {"Content-Type": "application/sdp"}
        response = await client.post(WHEP, data=ANSWER, headers=headers, allow_redirects=False)
        assert response.headers["Location"] == f"{OTHER}{WHEP}"
    await server.close()


async def test_who_goes_on_with_wrong_tokens_is_turned_away_and_a_right_one_is_still_good(
    client: ClientSession,
) -> None:
    statuses = set()
    for _ in range(int(limits.failed_tokens_burst) + 10):
        statuses.add((await client.get("/api/v1/node", headers={"Authorization": "Bearer x.y.z"})).status)
    assert statuses == {401, 429}
    assert (await client.get("/api/v1/node", headers=bearer("admin"))).status == 200


async def test_too_many_requests_of_one_address_are_turned_away(service: Any) -> None:
    authorization = Authorization(clock=lambda: 0.0)
    server = await HttpServer.start(make_app(service, authorization))
    async with ClientSession(base_url=f"http://{format_address(server.address)}") as client:
        statuses = [(await client.get("/livez")).status for _ in range(int(limits.http_requests_burst) + 5)]
    await server.close()
    assert statuses.count(200) == limits.http_requests_burst
    assert statuses[-1] == 429


async def test_without_a_key_a_client_behind_a_proxy_that_nobody_named_is_refused(service: Any) -> None:
    """A reverse proxy on this machine would else make all the world a client on this machine."""
    server = await HttpServer.start(make_app(service))
    async with ClientSession(base_url=f"http://{format_address(server.address)}") as client:
        for name in ("Forwarded", "X-Forwarded-For", "X-Real-IP"):
            response = await client.get("/livez", headers={name: "for=192.0.2.1"})
            assert response.status == 403
            assert await problem(response) == "behind-proxy"
    await server.close()
