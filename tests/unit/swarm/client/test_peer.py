"""Publisher and player against a plain aiortc peer in this process, over loopback only."""

import asyncio
import inspect

import aioice
import pytest
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from aiortc.sdp import SessionDescription
from av import AudioFrame, VideoFrame

from foundation import limits
from foundation.errors import LocalError, RemoteError, SwarmFull
from swarm.client import loopback
from swarm.client.testpicture import TestPicture, TestTone, loudness, read_counter
from swarm.client.watch import Watcher
from swarm.client.whep import WhepPlayer
from swarm.client.whip import VideoCodec, WhipPublisher
from tests.unit.swarm.peers import Peer, peer_with


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is offline: aioice finds no address at all but those we add."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: [])


@pytest.fixture
def peer_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])


async def to_the_end(track: MediaStreamTrack) -> None:
    while True:
        await track.recv()


def test_the_private_names_of_aioice_are_still_there() -> None:
    parameters = inspect.signature(aioice.Connection.get_component_candidates).parameters
    assert list(parameters) == ["self", "component", "addresses", "timeout"]


async def test_an_offer_has_loopback_candidates_even_offline() -> None:
    offers = []

    async def refuse(offer: str) -> tuple[str, str]:
        offers.append(offer)
        raise SwarmFull("no room")

    with pytest.raises(SwarmFull):
        await WhepPlayer(refuse).connect()
    addresses = {candidate.ip for candidate in SessionDescription.parse(offers[0]).media[0].ice_candidates}
    assert "127.0.0.1" in addresses
    assert addresses <= set(loopback._loopback_addresses)


@pytest.mark.usefixtures("peer_on_loopback")
async def test_pictures_and_sound_are_published() -> None:
    async with peer_with() as peer:
        publisher = WhipPublisher(peer.exchange, audio=TestTone(), video=TestPicture(320, 180), end=peer.end)
        async with publisher:
            assert publisher.connected
            assert publisher.session == "session"
            kinds = {track.kind: track for track in peer.received}
            picture, sound = await asyncio.gather(kinds["video"].recv(), kinds["audio"].recv())
            assert isinstance(picture, VideoFrame)
            assert isinstance(sound, AudioFrame)
            assert read_counter(picture) is not None
        assert peer.ended == ["session"]
        assert publisher.session is None


@pytest.mark.usefixtures("peer_on_loopback")
@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_a_publisher_offers_only_the_codec_it_was_told(codec: VideoCodec) -> None:
    async with peer_with() as peer, WhipPublisher(peer.exchange, video=TestPicture(320, 180), video_codec=codec):
        (media,) = SessionDescription.parse(peer.offer).media
        assert {known.name for known in media.rtp.codecs} == {codec, "rtx"}
        assert isinstance(await peer.received[0].recv(), VideoFrame)


@pytest.mark.usefixtures("peer_on_loopback")
async def test_pictures_and_sound_are_played() -> None:
    async with peer_with(TestTone(), TestPicture(320, 180)) as peer, WhepPlayer(peer.exchange) as player:
        assert player.video is not None
        assert player.audio is not None
        frames = [await player.video.recv() for _ in range(5)]
        counters = [read_counter(frame) for frame in frames if isinstance(frame, VideoFrame)]
        assert counters == list(range(counters[0] or 0, (counters[0] or 0) + 5))
        sounds = [await player.audio.recv() for _ in range(5)]
        assert max(loudness(sound) for sound in sounds if isinstance(sound, AudioFrame)) > 0.05


@pytest.mark.usefixtures("peer_on_loopback")
async def test_a_producer_without_sound_is_played_although_the_audio_section_is_rejected() -> None:
    def reject_audio(answer: str) -> str:
        session, audio, video = answer.partition("m=audio")[0], *answer.split("m=")[1:]
        mid = next(line for line in audio.splitlines() if line.startswith("a=mid:"))
        rejected = f"m=audio 0 UDP/TLS/RTP/SAVPF {audio.split()[3]}\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\n{mid}\r\n"
        # Whoever rejects the first section has its transport on the second, which the bundle then begins with.
        credentials = [line for line in audio.splitlines() if line.startswith(("a=ice-", "a=candidate", "a=end-of"))]
        others = [line for line in video.splitlines() if not line.startswith(("a=ice-", "a=candidate", "a=end-of"))]
        bundled = session.replace("BUNDLE 0 1", "BUNDLE 1")
        return bundled + rejected + "m=" + "\r\n".join([*others, *credentials]) + "\r\n"

    async with peer_with(TestPicture(320, 180)) as peer:
        peer.rewrite = reject_audio
        async with WhepPlayer(peer.exchange) as player:
            assert player.audio is None
            assert player.video is not None
            assert isinstance(await player.video.recv(), VideoFrame)


@pytest.mark.usefixtures("peer_on_loopback")
async def test_a_player_may_ask_for_one_kind() -> None:
    async with peer_with(TestTone()) as peer, WhepPlayer(peer.exchange, video=False) as player:
        assert [media.kind for media in SessionDescription.parse(peer.offer).media] == ["audio"]
        assert player.audio is not None
        assert player.video is None


@pytest.mark.usefixtures("peer_on_loopback")
async def test_tracks_end_when_the_other_end_goes() -> None:
    async with peer_with(TestPicture(320, 180)) as peer, WhepPlayer(peer.exchange, audio=False) as player:
        assert player.video is not None
        await player.video.recv()
        await peer.connection.close()
        await player.wait_closed()
        with pytest.raises(MediaStreamError):
            await to_the_end(player.video)


@pytest.mark.usefixtures("peer_on_loopback")
async def test_a_watcher_counts_what_arrives() -> None:
    async with peer_with(TestTone(), TestPicture(320, 180)) as peer, WhepPlayer(peer.exchange) as player:
        tenth: asyncio.Queue[VideoFrame] = asyncio.Queue(10)
        watcher = Watcher(player, on_video=tenth.put_nowait)
        for _ in range(10):
            await tenth.get()
        await watcher.close()
        watched = watcher.watched
        assert (watched.width, watched.height) == (320, 180)
        assert watched.counters == watched.frames
        assert watched.lost == 0
        assert watched.sounding > 0


async def test_nothing_to_publish_is_refused() -> None:
    with pytest.raises(LocalError, match="nothing to publish"):
        WhipPublisher(Peer().exchange)


async def test_a_track_of_the_wrong_kind_is_refused() -> None:
    with pytest.raises(LocalError, match="audio track"):
        WhipPublisher(Peer().exchange, audio=TestPicture())


@pytest.mark.parametrize("answer", ["", "v=0\r\n", "nonsense", "m=audio", "v=0\r\nm=audio 9 X 0\r\nm=video 9 X 0\r\n"])
async def test_an_answer_that_cannot_be_used_is_a_remote_error_and_ends_the_session(answer: str) -> None:
    peer = Peer()

    async def exchange(offer: str) -> tuple[str, str]:
        return answer, "session"

    with pytest.raises(RemoteError, match="SDP answer"):
        await WhepPlayer(exchange, end=peer.end).connect()
    assert peer.ended == ["session"]


@pytest.mark.usefixtures("peer_on_loopback")
async def test_an_answer_cut_anywhere_raises_nothing_but_remote_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "client_connect_seconds_max", 0.0)
    async with peer_with() as peer:
        first = WhepPlayer(peer.exchange)
        with pytest.raises(RemoteError):
            await first.connect()
        answer = peer.connection.localDescription.sdp
    lines = answer.splitlines(keepends=True)
    for count in range(0, len(lines), 3):

        async def exchange(offer: str, count: int = count) -> tuple[str, str]:
            return "".join(lines[:count]), "session"

        with pytest.raises(RemoteError):
            await WhepPlayer(exchange).connect()


@pytest.mark.usefixtures("peer_on_loopback")
async def test_a_connection_that_does_not_come_about_is_a_remote_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "client_connect_seconds_max", 0.0)
    async with peer_with() as peer:
        player = WhepPlayer(peer.exchange, end=peer.end)
        with pytest.raises(RemoteError, match="UDP port"):
            await player.connect()
        assert peer.ended == ["session"]


@pytest.mark.usefixtures("peer_on_loopback")
async def test_closing_goes_on_when_the_other_end_cannot_be_told() -> None:
    async def fail(session: str) -> None:
        raise RemoteError("gone")

    async with peer_with() as peer:
        player = WhepPlayer(peer.exchange, end=fail)
        async with player:
            pass
        await player.close()
        assert not player.connected
