"""WHIP and WHEP endpoints: offers, their answers, and what is refused."""

import asyncio
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import pytest
from aiohttp import ClientSession
from yarl import URL

from foundation import errors, limits
from foundation.address import format_address
from swarm.http.authorization import Authorization
from swarm.http.remote import TrustedProxies
from swarm.http.server import HttpServer, make_app
from swarm.service import SentOn

PRODUCER = "123e4567-e89b-42d3-a456-426614174000"
SDP = {"Content-Type": "application/sdp"}
OFFER = "v=0\r\na=ice-ufrag:abcd\r\n"
ENDPOINTS = ["/whip", f"/whip/{PRODUCER}", f"/whep/{PRODUCER}"]


async def assert_problem(response: Any, status: int, name: str) -> dict[str, Any]:
    assert response.status == status, await response.text()
    assert response.content_type == "application/problem+json"
    problem: dict[str, Any] = await response.json()
    assert problem["status"] == status
    assert problem["type"] == f"urn:swarmd:problem:{name}"
    assert problem["title"]
    return problem


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_an_offer_is_answered_with_a_session(client: ClientSession, path: str) -> None:
    response = await client.post(path, data=OFFER, headers=SDP)
    assert response.status == 201
    assert response.headers["Content-Type"] == "application/sdp"
    assert (await response.text()).startswith("v=0\r\n")
    assert response.headers["ETag"] == '"etag-1"'
    assert response.headers["Accept-Patch"] == "application/trickle-ice-sdpfrag"
    assert response.headers["Swarm-Producer-Id"] == PRODUCER
    assert response.headers["Cache-Control"] == "no-store"


async def test_the_location_is_the_absolute_address_of_a_session_that_can_be_ended(client: ClientSession) -> None:
    response = await client.post("/whip", data=OFFER, headers=SDP)
    location = response.headers["Location"]
    assert location.startswith(f"{response.url.origin()}/session/")
    assert (await client.delete(location)).status == 200


async def test_the_location_has_the_scheme_that_a_trusted_proxy_tells(service: Any) -> None:
    proxies = TrustedProxies((ip_network("127.0.0.1"),))
    server = await HttpServer.start(make_app(service, Authorization(proxies=proxies)))
    async with ClientSession(base_url=f"http://{format_address(server.address)}") as client:
        for told, scheme in (("https", "https"), ("javascript", "http")):
            headers = {**SDP, "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": told}
            response = await client.post("/whip", data=OFFER, headers=headers)
            assert URL(response.headers["Location"]).scheme == scheme
    await server.close()


async def test_the_location_keeps_its_scheme_whatever_a_client_claims(client: ClientSession) -> None:
    response = await client.post("/whip", data=OFFER, headers={**SDP, "X-Forwarded-Proto": "https"})
    assert URL(response.headers["Location"]).scheme == "http"


async def test_the_node_sees_the_offer_and_the_id_that_was_asked_for(client: ClientSession, service: Any) -> None:
    for path in ENDPOINTS:
        await client.post(path, data=OFFER, headers=SDP)
    await client.post(f"/whep/{PRODUCER.upper()}", data=OFFER, headers=SDP)
    wanted = UUID(PRODUCER)
    assert service.offers == [
        ("publish", OFFER, None),
        ("publish", OFFER, wanted),
        ("view", OFFER, wanted),
        ("view", OFFER, wanted),
    ]


@pytest.mark.parametrize(
    "content_type", ["application/sdp; charset=utf-8", "Application/SDP", "application/sdp ;a=b", "application/sdp;"]
)
async def test_parameters_and_case_of_the_content_type_do_not_matter(client: ClientSession, content_type: str) -> None:
    response = await client.post("/whip", data=OFFER, headers={"Content-Type": content_type})
    assert response.status == 201


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(
    "content_type", ["application/json", "application/sdpx", "text/plain", "", ";", "application/trickle-ice-sdpfrag"]
)
async def test_another_content_type_is_refused_with_the_right_one(
    client: ClientSession, service: Any, path: str, content_type: str
) -> None:
    response = await client.post(path, data=OFFER.encode(), headers={"Content-Type": content_type})
    await assert_problem(response, 415, "wrong-content-type")
    assert response.headers["Accept-Post"] == "application/sdp"
    assert service.offers == []


async def test_a_compressed_body_is_refused(client: ClientSession, service: Any) -> None:
    response = await client.post("/whip", data=b"\x1f\x8b\x08", headers={**SDP, "Content-Encoding": "gzip"})
    await assert_problem(response, 415, "wrong-content-type")
    assert service.offers == []


@pytest.mark.parametrize("body", [b"", b"  \r\n", b"v=0\r\n\xff\xfe"])
async def test_an_empty_or_undecodable_offer_is_refused(client: ClientSession, service: Any, body: bytes) -> None:
    await assert_problem(await client.post("/whip", data=body, headers=SDP), 400, "bad-offer")
    assert service.offers == []


async def test_an_offer_of_the_largest_size_is_taken_and_a_byte_more_is_not(
    client: ClientSession, service: Any
) -> None:
    fits = "v" * limits.offer_bytes_max
    assert (await client.post("/whip", data=fits, headers=SDP)).status == 201
    await assert_problem(await client.post("/whip", data=fits + "v", headers=SDP), 413, "too-large")
    assert len(service.offers) == 1


async def test_an_endless_chunked_offer_is_refused_at_the_bound(client: ClientSession, service: Any) -> None:
    async def endless() -> Any:
        while True:
            yield b"v" * 4096

    response = await client.post("/whip", data=endless(), headers=SDP)
    await assert_problem(response, 413, "too-large")
    assert service.offers == []


@pytest.mark.parametrize("framing", [b"Content-Length: 100", b"Transfer-Encoding: chunked"])
async def test_a_body_that_does_not_arrive_is_refused_and_the_connection_ends(
    server: HttpServer, service: Any, monkeypatch: pytest.MonkeyPatch, framing: bytes
) -> None:
    monkeypatch.setattr(limits, "http_body_seconds_max", 0.05)
    reader, writer = await asyncio.open_connection(*server.address)
    writer.write(b"POST /whip HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\n" + framing + b"\r\n\r\n")
    try:
        answer = await reader.readuntil(b"}")
    finally:
        writer.close()
        await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"Connection: close" in answer
    assert service.offers == []


async def test_a_body_that_breaks_its_own_framing_is_refused(server: HttpServer, service: Any) -> None:
    reader, writer = await asyncio.open_connection(*server.address)
    writer.write(b"POST /whip HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\n")
    writer.write(b"Transfer-Encoding: chunked\r\n\r\nnot-a-size\r\n")
    try:
        answer = await reader.readuntil(b"\r\n")
    finally:
        writer.close()
        await writer.wait_closed()
    assert b" 400 " in answer
    assert service.offers == []


@pytest.mark.parametrize(
    "malformed",
    [
        "x",
        "123e4567e89b42d3a456426614174000",
        "{123e4567-e89b-42d3-a456-426614174000}",
        "urn:uuid:123e4567-e89b-42d3-a456-426614174000",
        "123e4567-e89b-42d3-a456-42661417400",
        "123e4567-e89b-42d3-a456-4266141740000",
        "123e4567-e89b-42d3-a456-42661417400g",
        "123e4567-e89b-42d3-a456-42661417400%00",
        "%0d%0aSet-Cookie:%20a=b",
        "..%2f..%2fetc%2fpasswd",
        "１23e4567-e89b-42d3-a456-426614174000",
        "9" * 4000,
    ],
)
async def test_a_malformed_producer_id_is_refused(client: ClientSession, service: Any, malformed: str) -> None:
    for method, path in [("POST", "whip"), ("POST", "whep"), ("GET", "whip"), ("GET", "whep"), ("GET", "watch")]:
        response = await client.request(method, f"/{path}/{malformed}", data=OFFER, headers=SDP)
        await assert_problem(response, 400, "bad-producer-id")
    for path in ["producers/{}", "producers/{}/tree"]:
        await assert_problem(await client.get(f"/api/v1/{path.format(malformed)}"), 400, "bad-producer-id")
    assert service.offers == []


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_a_client_is_sent_on_to_the_same_path_of_the_other_node(
    client: ClientSession, service: Any, path: str
) -> None:
    service.outcome = SentOn("http://192.0.2.7:7400")
    response = await client.post(f"{path}?a=%20b&c=1", data=OFFER, headers=SDP, allow_redirects=False)
    assert response.status == 307
    assert response.headers["Location"] == f"http://192.0.2.7:7400{path}?a=%20b&c=1"
    assert response.headers["Access-Control-Allow-Origin"] == "*"


async def test_a_viewer_takes_along_how_often_it_was_sent_on(client: ClientSession, service: Any) -> None:
    service.outcome = SentOn("http://192.0.2.7:7400", 3)
    response = await client.post(f"{ENDPOINTS[2]}?hops=2&c=1", data=OFFER, headers=SDP, allow_redirects=False)
    assert service.hops == [2]
    assert URL(response.headers["Location"]).query == {"hops": "3", "c": "1"}


@pytest.mark.parametrize("hops", ["", "-1", "x", "1.5", "9999", "٣"])
async def test_hops_that_are_no_number_are_none(client: ClientSession, service: Any, hops: str) -> None:
    await client.post(ENDPOINTS[2], params={"hops": hops}, data=OFFER, headers=SDP)
    assert service.hops == [0]


@pytest.mark.parametrize("url", ["http://[2001:db8::1]:7400", "https://node-1.example.org"])
async def test_a_client_is_sent_on_to_any_kind_of_host(client: ClientSession, service: Any, url: str) -> None:
    service.outcome = SentOn(url)
    response = await client.post("/whip", data=OFFER, headers=SDP, allow_redirects=False)
    assert response.headers["Location"] == f"{url}/whip"


@pytest.mark.parametrize(
    "url", ["", "javascript:alert(1)", "http://a/b", "http://a\r\nSet-Cookie: x=y", "//a", "http://u@a"]
)
async def test_nobody_is_sent_to_an_address_that_is_not_a_nodes(client: ClientSession, service: Any, url: str) -> None:
    service.outcome = SentOn(url)
    response = await client.post("/whip", data=OFFER, headers=SDP, allow_redirects=False)
    await assert_problem(response, 503, "no-usable-node")
    assert "Location" not in response.headers


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(
    ("error", "status", "name", "retry_after"),
    [
        (errors.BadOffer("Line 3 is not SDP."), 400, "bad-offer", None),
        (errors.NoCommonCodec("Only FOO was offered."), 422, "no-common-codec", None),
        (errors.ProducerTaken("It is live."), 409, "producer-taken", None),
        (errors.NoSuchProducer("It is not live."), 409, "no-such-producer", "2"),
        (errors.SwarmFull("No room."), 503, "full", "5"),
        (errors.RemoteError("A rule was broken."), 400, "bad-request", None),
    ],
)
async def test_each_error_of_the_house_has_its_answer(
    client: ClientSession, service: Any, path: str, error: Exception, status: int, name: str, retry_after: str | None
) -> None:
    service.outcome = error
    response = await client.post(path, data=OFFER, headers=SDP)
    problem = await assert_problem(response, status, name)
    assert problem["detail"] == str(error)
    assert response.headers.get("Retry-After") == retry_after
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "Location" not in response.headers


@pytest.mark.parametrize(
    "error", [ValueError("s3cret"), AssertionError("s3cret"), errors.LocalError("s3cret"), OSError()]
)
async def test_a_failure_of_ours_is_logged_and_tells_nothing_of_the_inside(
    client: ClientSession, service: Any, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    service.outcome = error
    response = await client.post(f"/whip/{PRODUCER}", data=OFFER, headers=SDP)
    problem = await assert_problem(response, 500, "internal-error")
    assert "s3cret" not in str(problem)
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.exc_info
    assert record.exc_info[1] is error
    assert PRODUCER not in record.getMessage()


async def test_the_server_goes_on_after_a_failure(client: ClientSession, service: Any) -> None:
    answer, service.outcome = service.outcome, RuntimeError("once")
    assert (await client.post("/whip", data=OFFER, headers=SDP)).status == 500
    service.outcome = answer
    assert (await client.post("/whip", data=OFFER, headers=SDP)).status == 201


async def test_a_node_that_does_not_answer_in_time_is_a_503(
    client: ClientSession, service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: Any) -> Any:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(limits, "offer_seconds_max", 0.01)
    monkeypatch.setattr(service, "publish_offer", never)
    response = await client.post("/whip", data=OFFER, headers=SDP)
    await assert_problem(response, 503, "too-slow")
    assert response.headers["Retry-After"] == "5"


@pytest.mark.parametrize("path", ["/whip", f"/whip/{PRODUCER}"])
async def test_a_whip_endpoint_answers_get_and_head_without_content(client: ClientSession, path: str) -> None:
    for method in ("GET", "HEAD"):
        response = await client.request(method, path)
        assert response.status == 204
        assert response.headers["Accept-Post"] == "application/sdp"
        assert await response.read() == b""


async def test_a_whep_endpoint_is_told_by_its_content_type(client: ClientSession) -> None:
    for method in ("GET", "HEAD"):
        response = await client.request(method, f"/whep/{PRODUCER}")
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/sdp"
        assert response.headers["Content-Length"] == "0"
        assert await response.read() == b""


async def test_nothing_secret_is_logged(client: ClientSession, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    response = await client.post(f"/whip/{PRODUCER}", data=OFFER, headers=SDP)
    await client.delete(response.headers["Location"])
    assert caplog.text == ""


async def test_an_address_whose_sessions_wait_for_their_clients_gets_no_more_until_one_connects(
    client: ClientSession, service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "set_ups_per_network_max", 1)
    assert (await client.post("/whip", data=OFFER, headers=SDP)).status == 201
    for path in ENDPOINTS:
        response = await client.post(path, data=OFFER, headers=SDP)
        await assert_problem(response, 429, "too-many-set-ups")
        assert response.headers["Retry-After"] == "1"
    service.connected.add(next(iter(service.sessions)))
    assert (await client.post("/whip", data=OFFER, headers=SDP)).status == 201
