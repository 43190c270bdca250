"""A standard WHEP client, which knows nothing of us, is sent on by a busy node and gets its pictures."""

import aiohttp
from aiortc import RTCPeerConnection, RTCSessionDescription

from benchmarks.nodes import node
from tests.e2e.watching import counters, published


async def standard_whep(http: aiohttp.ClientSession, url: str) -> tuple[RTCPeerConnection, aiohttp.ClientResponse]:
    """What draft-ietf-wish-whep asks for, by an HTTP client that follows redirects and a plain peer connection."""
    connection = RTCPeerConnection()
    connection.addTransceiver("video", direction="recvonly")
    await connection.setLocalDescription(await connection.createOffer())
    headers = {"Content-Type": "application/sdp"}
    async with http.post(url, data=connection.localDescription.sdp, headers=headers) as response:
        assert response.status == 201, await response.text()
        await connection.setRemoteDescription(RTCSessionDescription(await response.text(), "answer"))
    return connection, response


async def test_a_busy_node_sends_a_standard_whep_client_to_a_carrier_with_room() -> None:
    async with (
        node("--max-consumers", "2") as owner,
        node("--join", owner.authority) as relay,
        published(owner.url) as producer,
        aiohttp.ClientSession() as http,
    ):
        connections = []
        try:
            for entry, serves, hops in [(relay, relay, []), (owner, owner, []), (owner, relay, [307])]:
                connection, response = await standard_whep(http, f"{entry.url}/whep/{producer}")
                connections.append(connection)
                assert str(response.url).startswith(serves.url)
                assert [hop.status for hop in response.history] == hops
                await counters(connection.getReceivers()[0].track, 5)
        finally:
            for connection in connections:
                await connection.close()
