"""Session resources: trickle ICE by PATCH, the end by DELETE."""

from typing import Any

import pytest
from aiohttp import ClientSession
from yarl import URL

from foundation import limits

SESSION = "/session/c2Vzc2lvbi1pZC1ub2JvZHktZ3Vlc3Nlcw"
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": '"etag-1"'}
OFFER = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:EsAw\r\na=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y\r\n"
TRICKLE = (
    "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:EsAw\r\n"
    "a=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y\r\n"
    "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n"
    "a=end-of-candidates\r\n"
)
RESTART = TRICKLE.replace("EsAw", "ysXw")


async def assert_problem(response: Any, status: int, name: str) -> None:
    assert response.status == status, await response.text()
    assert response.content_type == "application/problem+json"
    assert (await response.json())["type"] == f"urn:swarmd:problem:{name}"


@pytest.fixture
async def session(client: ClientSession) -> str:
    """The path of a session that was set up with `OFFER`."""
    response = await client.post("/whip", data=OFFER, headers={"Content-Type": "application/sdp"})
    return URL(response.headers["Location"]).path


async def test_candidates_are_welcome(client: ClientSession, session: str) -> None:
    response = await client.patch(session, data=TRICKLE, headers=FRAGMENT)
    assert response.status == 204
    assert "ETag" not in response.headers
    assert await response.read() == b""


@pytest.mark.parametrize("if_match", ["*", '"other", "etag-1"', '"a,b","etag-1"', ' "etag-1" '])
async def test_a_precondition_that_holds_lets_candidates_pass(
    client: ClientSession, session: str, if_match: str
) -> None:
    response = await client.patch(session, data=TRICKLE, headers={**FRAGMENT, "If-Match": if_match})
    assert response.status == 204


@pytest.mark.parametrize("if_match", ['"etag-2"', 'W/"etag-1"', "etag-1", "", '"*"', '"etag-1', '"x" "etag-1"'])
async def test_a_precondition_that_does_not_hold_is_a_412(client: ClientSession, session: str, if_match: str) -> None:
    response = await client.patch(session, data=TRICKLE, headers={**FRAGMENT, "If-Match": if_match})
    await assert_problem(response, 412, "etag-mismatch")


async def test_a_missing_precondition_is_a_428(client: ClientSession, session: str) -> None:
    headers = {"Content-Type": FRAGMENT["Content-Type"]}
    await assert_problem(await client.patch(session, data=TRICKLE, headers=headers), 428, "etag-required")


@pytest.mark.parametrize("if_match", ["*", '"etag-1"'])
async def test_an_ice_restart_is_refused_and_the_session_goes_on(
    client: ClientSession, session: str, if_match: str
) -> None:
    response = await client.patch(session, data=RESTART, headers={**FRAGMENT, "If-Match": if_match})
    await assert_problem(response, 422, "no-ice-restart")
    assert (await client.patch(session, data=TRICKLE, headers=FRAGMENT)).status == 204


@pytest.mark.parametrize("content_type", ["application/sdp", "text/plain", ""])
async def test_another_content_type_is_refused_with_the_right_one(
    client: ClientSession, session: str, content_type: str
) -> None:
    response = await client.patch(session, data=TRICKLE.encode(), headers={**FRAGMENT, "Content-Type": content_type})
    await assert_problem(response, 415, "wrong-content-type")
    assert response.headers["Accept-Patch"] == "application/trickle-ice-sdpfrag"


@pytest.mark.parametrize(
    "body", [b"", b"hello", b"\xff", b"a=candidate:x\r\n", b"m=audio 9 RTP/AVP 0\r\n", b"a=x\0\r\n"]
)
async def test_what_is_no_fragment_is_a_400_before_any_precondition(
    client: ClientSession, session: str, body: bytes
) -> None:
    response = await client.patch(session, data=body, headers={**FRAGMENT, "If-Match": '"etag-2"'})
    await assert_problem(response, 400, "bad-fragment")


async def test_a_huge_fragment_is_refused(client: ClientSession, session: str) -> None:
    body = "a=mid:0\r\n" * limits.fragment_bytes_max
    await assert_problem(await client.patch(session, data=body, headers=FRAGMENT), 413, "too-large")


async def test_a_session_is_ended_once(client: ClientSession, session: str) -> None:
    assert (await client.delete(session, headers={"If-Match": '"outdated"'})).status == 200
    await assert_problem(await client.delete(session), 404, "no-such-session")
    await assert_problem(await client.patch(session, data=TRICKLE, headers=FRAGMENT), 404, "no-such-session")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_live_session_has_no_content(client: ClientSession, session: str, method: str) -> None:
    response = await client.request(method, session)
    assert response.status == 204
    assert response.headers["Accept-Patch"] == "application/trickle-ice-sdpfrag"


@pytest.mark.parametrize("session_id", ["x", "%00", "%2e%2e%2fwhip", "é", "9" * 4000, "%0d%0aa:b"])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_an_unknown_session_is_a_404_without_a_hint(client: ClientSession, method: str, session_id: str) -> None:
    response = await client.request(method, f"/session/{session_id}", data=TRICKLE, headers=FRAGMENT)
    await assert_problem(response, 404, "no-such-session")
    assert set(await response.json()) == {"type", "title", "status"}


async def test_a_preflight_does_not_tell_which_sessions_there_are(client: ClientSession, session: str) -> None:
    answers = [await client.options(path) for path in (session, "/session/unknown")]
    assert [answer.status for answer in answers] == [200, 200]
    headers = [{name: value for name, value in answer.headers.items() if name != "Date"} for answer in answers]
    assert headers[0] == headers[1]
