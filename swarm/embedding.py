"""What `Node.publish` and `Node.consume` give: aiortc tracks in this process, on a node in this process.

They are clients as any other, with an in-process exchange in place of HTTP: media goes by loopback through the same
port, the same DTLS-SRTP and the same packet path, so an embedded stream behaves as every other one does.
"""

from uuid import UUID

from aiortc import MediaStreamTrack

from swarm.client.peer import End
from swarm.client.signalling import HttpSignalling
from swarm.client.whep import WhepPlayer
from swarm.client.whip import WhipPublisher
from swarm.service import NodeService, SentOn, SessionAnswer


class Producer:
    """A stream that this process publishes."""

    def __init__(self, producer_id: UUID, publisher: WhipPublisher) -> None:
        self.id = producer_id
        self._publisher = publisher

    @classmethod
    async def open(
        cls, node: NodeService, audio: MediaStreamTrack | None, video: MediaStreamTrack | None, producer_id: UUID | None
    ) -> "Producer":
        """Returns once the node receives from the tracks. Raises what `Node.publish` says."""
        answered: list[UUID] = []

        async def exchange(offer: str) -> tuple[str, str]:
            session = await node.publish_offer(offer, producer_id)
            assert isinstance(session, SessionAnswer), "a publisher is never sent on"
            answered.append(session.producer_id)
            return session.answer, session.session_id

        publisher = WhipPublisher(exchange, audio=audio, video=video, end=_ender(node))
        await publisher.connect()
        return cls(answered[0], publisher)

    @property
    def closed(self) -> bool:
        return self._publisher.closed

    async def wait_closed(self) -> None:
        """Returns when the stream has ended, whoever ended it."""
        await self._publisher.wait_closed()

    async def close(self) -> None:
        """Ends the stream everywhere; idempotent. aiortc stops the tracks with it."""
        await self._publisher.close()


class Consumer:
    """A stream that this process watches: `audio` and `video` are aiortc tracks, None when it has no such track."""

    def __init__(self, producer_id: UUID, player: WhepPlayer) -> None:
        self.producer_id = producer_id
        self.audio = player.audio
        self.video = player.video
        self._player = player

    @classmethod
    async def open(cls, node: NodeService, producer_id: UUID) -> "Consumer":
        """Returns once packets may flow. Raises what `Node.consume` says."""
        end = _ender(node)
        elsewhere: list[HttpSignalling] = []

        async def exchange(offer: str) -> tuple[str, str]:
            session = await node.view_offer(offer, producer_id)
            if isinstance(session, SentOn):
                hops = f"?hops={session.hops}" if session.hops is not None else ""
                elsewhere.append(HttpSignalling(f"{session.url}/whep/{producer_id}{hops}", "WHEP"))
                return await elsewhere[0].exchange(offer)
            return session.answer, session.session_id

        async def finish(session: str) -> None:
            await (elsewhere[0].end if elsewhere else end)(session)

        player = WhepPlayer(exchange, end=finish)
        await player.connect()
        return cls(producer_id, player)

    @property
    def closed(self) -> bool:
        return self._player.closed

    async def wait_closed(self) -> None:
        """Returns when the stream has ended, whoever ended it."""
        await self._player.wait_closed()

    async def close(self) -> None:
        """Stops watching; idempotent."""
        await self._player.close()


def _ender(node: NodeService) -> End:
    async def end(session: str) -> None:
        await node.end_session(session)

    return end
