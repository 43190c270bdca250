"""An SFU as aiortc's own examples have it: `MediaRelay`, which decodes once, and a sender per viewer, which encodes.

    python -m benchmarks.peers.aiortc_server

One stream: `POST /whip` publishes it, `POST /whep` watches it. It prints its URL and runs until SIGTERM.
"""

import asyncio
import contextlib

from aiohttp import web
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay

from swarm.client.loopback import gather_loopback_too


class RelayServer:
    """One published track, relayed to whoever asks."""

    def __init__(self) -> None:
        self._relay = MediaRelay()
        self._published: MediaStreamTrack | None = None
        self._connections: list[RTCPeerConnection] = []

    async def publish(self, request: web.Request) -> web.Response:
        connection = RTCPeerConnection()

        @connection.on("track")
        def arrived(track: MediaStreamTrack) -> None:
            self._published = track

        return await self._answer(connection, await request.text(), None)

    async def watch(self, request: web.Request) -> web.Response:
        if self._published is None:
            raise web.HTTPConflict(text="nothing is published")
        return await self._answer(RTCPeerConnection(), await request.text(), self._relay.subscribe(self._published))

    async def close(self, _app: web.Application) -> None:
        await asyncio.gather(*(connection.close() for connection in self._connections))

    async def _answer(self, connection: RTCPeerConnection, offer: str, track: MediaStreamTrack | None) -> web.Response:
        self._connections.append(connection)
        await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        if track is not None:
            connection.addTrack(track)
        gather_loopback_too(connection)
        await connection.setLocalDescription(await connection.createAnswer())
        headers = {"Location": f"/session/{len(self._connections)}"}
        return web.Response(
            status=201, text=connection.localDescription.sdp, content_type="application/sdp", headers=headers
        )


async def end(_request: web.Request) -> web.Response:
    """Sessions end with the process."""
    return web.Response()


async def announce(runner: web.AppRunner) -> None:
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}", flush=True)


async def serve() -> None:
    server, app = RelayServer(), web.Application()
    app.router.add_post("/whip", server.publish)
    app.router.add_post("/whep", server.watch)
    app.router.add_delete("/session/{number}", end)
    app.on_shutdown.append(server.close)
    runner = web.AppRunner(app, handle_signals=True)
    await announce(runner)
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    with contextlib.suppress(web.GracefulExit):
        asyncio.run(serve())
