"""Offers from one address, and candidates in them: others have their places, and nobody is made to send anywhere."""

import asyncio
import socket
import sys
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from benchmarks.nodes import node
from foundation import limits
from swarm.tokens import Access, Grant, make_token
from tests.e2e.stage import running_session
from tests.e2e.test_tokens import SECRET, options
from tests.raw_client import raw_client

__all__ = ["options"]
SDP = {"Content-Type": "application/sdp"}
_watch_seconds = 1.5


def with_candidates(offer: str, port: int, count: int = 1) -> str:
    """Private, loopback, mapped, multicast and broadcast ones, all at the port of a socket that listens."""
    hosts = (
        "127.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "224.0.0.1",
        "255.255.255.255",
        "0.0.0.0",
    )
    lines = [f"a=candidate:{n} 1 udp 2130706431 {ip} {port} typ host\r\n" for n, ip in enumerate(hosts * count)]
    return offer + "".join(lines)


@pytest.mark.timeout(180)
async def test_no_candidate_of_an_offer_or_a_fragment_is_ever_a_target(capfd: pytest.CaptureFixture[str]) -> None:
    """Nor is one with which the session is published: its sender hears nothing that it has not asked for."""
    async with running_session(capfd) as stage, raw_client() as client:
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as victim:
            victim.bind(("127.0.0.1", 0))
            victim.setblocking(False)
            port = victim.getsockname()[1]
            for each in stage.nodes:
                for path, direction in (("whip", "sendonly"), (f"whep/{stage.producer}", "recvonly")):
                    offer = with_candidates(client.offer(direction), port)
                    async with stage.http.post(f"{each.url}/{path}", data=offer, headers=SDP) as response:
                        assert response.status == 201, await response.text()
                        session, etag = response.headers["Location"], response.headers["ETag"]
                    headers = {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": etag}
                    fragment = with_candidates("", port)
                    async with stage.http.patch(session, data=fragment, headers=headers) as response:
                        assert response.status == 204, await response.text()
                    many = with_candidates(client.offer(direction), port, limits.sdp_candidates_max)
                    async with stage.http.post(f"{each.url}/{path}", data=many, headers=SDP) as response:
                        assert response.status in (400, 413)
            await asyncio.sleep(_watch_seconds)
            await stage.goes_on()
            with pytest.raises(BlockingIOError):
                victim.recv(2000)


@pytest.mark.timeout(180)
async def test_an_address_that_floods_with_offers_leaves_another_its_place(capfd: pytest.CaptureFixture[str]) -> None:
    async with running_session(capfd) as stage, raw_client() as client:
        url = f"{stage.relay.url}/whip"
        connector = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
        async with aiohttp.ClientSession(connector=connector) as flood:
            statuses = []
            for _ in range(limits.set_ups_per_network_max + 20):
                async with flood.post(url, data=client.offer("sendonly"), headers=SDP) as response:
                    statuses.append(response.status)
            assert statuses.count(201) == limits.set_ups_per_network_max
            assert statuses[-1] == 429
            async with stage.http.post(url, data=client.offer("sendonly"), headers=SDP) as response:
                assert response.status == 201, await response.text()
                await client.connect(await response.text())


def bearer(grant: Grant, subject: str) -> dict[str, str]:
    token = make_token(SECRET, Access(frozenset({grant}), None, subject), 2_000_000_000)
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.timeout(180)
async def test_a_session_is_nobody_elses_and_nothing_tells_that_it_is_there(options: tuple[str, ...]) -> None:
    """With another's token, of a known URL and of a guessed one: the same answer, from whatever origin it is asked."""
    fragment = {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": "*"}
    async with node(*options) as target, aiohttp.ClientSession() as http, raw_client() as client:
        headers = SDP | bearer(Grant.PUBLISH, "ann")
        async with http.post(f"{target.url}/whip", data=client.offer("sendonly"), headers=headers) as response:
            assert response.status == 201
            session = response.headers["Location"]
            await client.connect(await response.text())
        guessed = session[:-22] + "x" * 22
        requests = [(method, "") for method in ("GET", "HEAD", "PATCH", "DELETE")]
        requests += [("POST", "/events"), ("GET", "/events/stream"), ("DELETE", "/events/stream")]
        for method, path in requests:
            for who, status in (({}, 401), (bearer(Grant.PLAY, "eve"), 404), (bearer(Grant.PUBLISH, ""), 404)):
                asked = fragment | who | {"Origin": "https://attacker.example"}
                told = []
                for url in (session, guessed):
                    async with http.request(method, url + path, data="a=end-of-candidates\r\n", headers=asked) as got:
                        assert got.status == status, (method, path)
                        assert "Access-Control-Allow-Credentials" not in got.headers
                        different = {"Date", "Content-Length"}
                        told.append(({k: v for k, v in got.headers.items() if k not in different}, await got.text()))
                assert told[0] == told[1], (method, path)
        async with http.get(session, headers=bearer(Grant.PUBLISH, "ann")) as response:
            assert response.status == 204


@pytest.mark.timeout(60)
async def test_a_key_that_is_half_written_ends_the_start_with_one_line_and_stays(tmp_path: Path) -> None:
    async def start() -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cli", "run", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path),
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, complaint = await process.communicate()
        return process.returncode, complaint.decode()

    key = tmp_path / "node.key"
    async with node("--data-dir", str(tmp_path)):
        whole = key.read_bytes()
    for data, mode, words in ((whole[:40], 0o600, "half written"), (whole, 0o644, "chmod 600"), (b"", 0o600, "half")):
        key.write_bytes(data)
        key.chmod(mode)
        code, complaint = await start()
        assert code == 2
        assert words in complaint
        assert complaint.count("\n") == 1, complaint
        assert key.read_bytes() == data
