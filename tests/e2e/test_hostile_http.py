"""Hostile HTTP against nodes with a running session: each gets the documented status, and the session goes on."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from benchmarks.nodes import NodeProcess
from tests.e2e.stage import Stage, running_session
from tests.raw_client import raw_client

SDP = {"Content-Type": "application/sdp"}
OFFERS = Path(__file__).parents[1] / "unit" / "media" / "offers"
ANSWER_SECONDS_MAX = 30


async def asked(stage: Stage, url: str, body: bytes | str, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """Status and problem document of a POST that is to be refused."""
    async with stage.http.post(url, data=body, headers=headers, allow_redirects=False) as response:
        assert response.content_type == "application/problem+json", await response.text()
        return response.status, await response.json()


async def talk(target: NodeProcess, *parts: bytes) -> bytes:
    """What the TCP port answers to these bytes until it closes the connection."""
    host, _, port = target.authority.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def hostile_offers(valid: str) -> list[str]:
    """What is no SDP, what is cut or repeated, and what lies about everything."""
    offers = ["hello", "v=0", "\0" * 100, "v=0\r\n" * 9000, "{}", "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" * 1500]
    offers += [valid[: len(valid) * part // 12] for part in range(1, 10)]
    lies = [
        ("a=fingerprint:sha-256 ", "a=fingerprint:sha-256 00:"),
        ("a=fingerprint:sha-256", "a=fingerprint:md5"),
        ("a=ice-ufrag:", "a=ice-ufrag:\N{SNOWMAN}"),
        ("a=ice-pwd:", "a=nothing:"),
        ("a=setup:actpass", "a=setup:nobody"),
        ("m=video 9", "m=video 99999999"),
        ("UDP/TLS/RTP/SAVPF", "TCP/MSRP"),
    ]
    return [*offers, *(valid.replace(true, lie) for true, lie in lies)]


@pytest.mark.timeout(180)
async def test_offers_of_every_wrong_kind_get_their_status(capfd: pytest.CaptureFixture[str]) -> None:
    async with running_session(capfd) as stage, raw_client() as client:
        for each in stage.nodes:
            whip, whep = f"{each.url}/whip", f"{each.url}/whep/{stage.producer}"
            for url, direction in ((whip, "sendonly"), (whep, "recvonly")):
                valid = client.offer(direction)
                assert (await asked(stage, url, valid, {"Content-Type": "text/plain"}))[0] == 415
                assert (await asked(stage, url, valid, SDP | {"Content-Encoding": "gzip"}))[0] == 415
                assert (await asked(stage, url, "", SDP))[0] == 400
                assert (await asked(stage, url, b"\xff\xfe", SDP))[0] == 400
                assert (await asked(stage, url, b"v" * 65_537, SDP))[0] == 413
                assert (await asked(stage, url, client.offer(direction, codec="X-NONE/90000"), SDP))[0] == 422
                for offer in hostile_offers(valid):
                    status, problem = await asked(stage, url, offer, SDP)
                    assert status == problem["status"], offer
                    assert status in (400, 422), offer  # a cut may leave an offer whole, but for its codec
            for malformed in (
                "1",
                "z" * 36,
                f"{stage.producer}0",
                "%00",
                "..%2f..%2fetc",
                "{" + str(stage.producer) + "}",
            ):
                for path in ("whip", "whep"):
                    status, problem = await asked(stage, f"{each.url}/{path}/{malformed}", "v=0", SDP)
                    assert (status, problem["type"]) == (400, "urn:swarmd:problem:bad-producer-id")
            status, problem = await asked(stage, f"{each.url}/whep/{uuid4()}", client.offer("recvonly"), SDP)
            assert (status, problem["type"]) == (409, "urn:swarmd:problem:no-such-producer")
        consumers = [await described(stage, each) for each in stage.nodes]
        assert [each["consumers"] for each in consumers] == [1, 1]


async def described(stage: Stage, which: NodeProcess) -> dict[str, Any]:
    async with stage.http.get(f"{which.url}/api/v1/node") as response:
        node: dict[str, Any] = await response.json()
        return node


@pytest.mark.timeout(180)
async def test_an_id_that_is_live_here_or_elsewhere_is_a_409(capfd: pytest.CaptureFixture[str]) -> None:
    async with running_session(capfd) as stage, raw_client() as client, raw_client() as owner:
        mine = uuid4()
        async with stage.http.post(
            f"{stage.relay.url}/whip/{mine}", data=owner.offer("sendonly"), headers=SDP
        ) as response:
            assert response.status == 201
            await owner.connect(await response.text())
        taken = [(stage.owner, stage.producer), (stage.relay, stage.producer), (stage.relay, mine), (stage.owner, mine)]
        for each, producer in taken:
            url = f"{each.url}/whip/{producer}"
            status, problem = await asked(stage, url, client.offer("sendonly"), SDP)
            assert (status, problem["type"]) == (409, "urn:swarmd:problem:producer-taken")


@pytest.mark.timeout(180)
async def test_garbage_slow_and_endless_bodies_on_the_tcp_port_are_ended(capfd: pytest.CaptureFixture[str]) -> None:
    head = b"POST /whip HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/sdp\r\n"
    async with running_session(capfd) as stage:
        for each in stage.nodes:
            garbage = [bytes(range(256)) * 8, b"\x16\x03\x01" + bytes(600), b"GET\r\n\r\n", b"\xd5" * 3000]
            garbage += [b"GET / HTTP/1.1\r\nHost: a b\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]
            for data in garbage:
                answer = await talk(each, data)
                assert answer == b"" or answer.startswith(b"HTTP/1.1 4") or answer.startswith(b"HTTP/1.0 4"), answer
            slow, huge, chunked, cut = await asyncio.gather(
                talk(each, head + b"Content-Length: 100\r\n\r\nv=0"),
                talk(each, head + b"Content-Length: 99999999999\r\n\r\nv=0"),
                talk(
                    each, head + b"Transfer-Encoding: chunked\r\n\r\n", *([b"4000\r\n" + b"v" * 0x4000 + b"\r\n"] * 5)
                ),
                talk(each, head + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n"),
            )
            assert slow.startswith(b"HTTP/1.1 408 ")
            assert huge.startswith(b"HTTP/1.1 413 ")
            assert chunked.startswith(b"HTTP/1.1 413 ") or chunked == b""
            assert cut.startswith(b"HTTP/1.0 400 ")


@pytest.mark.timeout(180)
async def test_nobody_ends_or_changes_a_session_without_its_url(capfd: pytest.CaptureFixture[str]) -> None:
    async with running_session(capfd) as stage:
        for each in stage.nodes:
            for session in (str(stage.producer), "x" * 22, "x" * 5000, "..%2f", "%ff"):
                for method in ("DELETE", "PATCH"):
                    headers = {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": "*"}
                    async with stage.http.request(
                        method, f"{each.url}/session/{session}", data="a=end-of-candidates\r\n", headers=headers
                    ) as response:
                        assert response.status == 404, await response.text()
            for method, path, status in (
                ("PUT", "/whip", 405),
                ("DELETE", "/api/v1/producers", 405),
                ("GET", "/nothing", 404),
                ("GET", "/../../etc/passwd", 404),
                ("GET", "/api/v1/producers/not-a-uuid", 400),
                ("GET", f"/api/v1/producers/{uuid4()}", 404),
                ("GET", f"/api/v1/producers/{uuid4()}/tree", 404),
            ):
                async with stage.http.request(method, f"{each.url}{path}") as response:
                    assert response.status == status, path
                    assert response.content_type == "application/problem+json"
            rebound = {"Host": "attacker.example"}
            async with stage.http.get(f"{each.url}/api/v1/node", headers=rebound) as response:
                assert response.status == 421


@pytest.mark.timeout(180)
@pytest.mark.parametrize("file", ["chromium_simulcast", "ffmpeg_publish"])
async def test_offers_that_are_answered_and_abandoned_cost_no_session_its_pictures(
    file: str, capfd: pytest.CaptureFixture[str]
) -> None:
    offer = (OFFERS / f"{file}.sdp").read_bytes()
    async with running_session(capfd) as stage:
        for _ in range(40):
            async with stage.http.post(f"{stage.relay.url}/whip", data=offer, headers=SDP) as response:
                assert response.status == 201, await response.text()
