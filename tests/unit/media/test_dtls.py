import asyncio
import os
import struct

import pytest
from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import SRTP_PROFILES
from aiortc.rtcsctptransport import (
    DataChunk,
    ForwardTsnChunk,
    InitChunk,
    SackChunk,
    serialize_packet,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from foundation.errors import LocalError
from media import dtls
from media.dtls import DtlsAssociation, DtlsIdentity
from media.srtp import AES_128_GCM, AES_256_GCM, SrtpKeys

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture(scope="module")
def identities():
    return DtlsIdentity(), DtlsIdentity()


class End:
    """One association, what it reported, and where its datagrams go."""

    def __init__(self, identity, role, fingerprints, control) -> None:
        self.keys: SrtpKeys | None = None
        self.fingerprint = ""
        self.messages: list[bytes] = []
        self.sent: list[bytes] = []
        self.other: End | None = None
        self.changed = asyncio.Event()
        self.association = DtlsAssociation(
            identity,
            role=role,
            fingerprints=fingerprints,
            control=control,
            transmit=self._transmit,
            on_connected=self._connected,
            on_control=self._message,
        )
        self.task: asyncio.Task[str] | None = None

    def start(self) -> None:
        self.task = asyncio.create_task(self.association.run())

    async def ended(self) -> str:
        assert self.task is not None
        return await asyncio.wait_for(self.task, 20)

    async def until(self, condition) -> None:
        async with asyncio.timeout(20):
            while not condition(self):
                self.changed.clear()
                await self.changed.wait()

    async def hostile(self, data: bytes) -> None:
        """Sends SCTP bytes of our choice through the association."""
        await self.association._dtls._send_data(data)

    async def hostile_chunk(self, *chunks) -> None:
        """Sends chunks with the right tag and checksum in one packet."""
        tag = self.association._sctp._remote_verification_tag
        packets = [serialize_packet(5000, 5000, tag, chunk) for chunk in chunks]
        body = b"".join(packet[12:] for packet in packets)
        await self.hostile(serialize_packet(5000, 5000, tag, Raw(body)))

    def _transmit(self, data: bytes) -> None:
        self.sent.append(data)
        assert self.other is not None
        self.other.association.receive(data)

    def _connected(self, keys: SrtpKeys, fingerprint: str) -> None:
        self.keys, self.fingerprint = keys, fingerprint
        self.changed.set()

    def _message(self, data: bytes) -> None:
        self.messages.append(data)
        self.changed.set()


class Raw:
    """Bytes where aiortc expects a chunk."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __bytes__(self) -> bytes:
        return self.data


class Pair:
    def __init__(self, client: End, server: End) -> None:
        self.client, self.server = client, server
        client.other, server.other = server, client
        server.start()
        client.start()

    async def connected(self) -> "Pair":
        await self.client.until(lambda end: end.keys)
        await self.server.until(lambda end: end.keys)
        return self

    async def close(self) -> None:
        for end in (self.client, self.server):
            end.association.close()
        await asyncio.wait([self.client.task, self.server.task])


@pytest.fixture
async def pair(identities):
    """Makes pairs: by default pinned on one side, as links are."""
    pairs = []

    def make(client_pins=None, server_pins=None, control=False):
        client, server = identities
        pairs.append(
            Pair(
                End(client, "client", client_pins or (("sha-256", server.fingerprint),), control),
                End(server, "server", server_pins, control),
            )
        )
        return pairs[-1]

    yield make
    for made in pairs:
        await made.close()


async def test_both_ends_get_mirrored_keys_and_each_others_fingerprint(pair, identities):
    both = await pair().connected()
    assert both.client.keys.local == both.server.keys.remote != both.client.keys.remote
    assert both.client.keys.remote == both.server.keys.local
    assert both.server.fingerprint == identities[0].fingerprint
    assert both.client.fingerprint == identities[1].fingerprint


async def test_the_servers_order_of_profiles_wins(pair, monkeypatch):
    assert SRTP_PROFILES[0].openssl_profile == b"SRTP_AEAD_AES_256_GCM"
    both = pair()
    both.client.association._dtls._srtp_profiles = SRTP_PROFILES
    both.client.association._dtls._RTCDtlsTransport__local_certificate = _plain_certificate()
    await both.connected()
    assert both.server.keys.profile is both.client.keys.profile is AES_128_GCM


async def test_a_client_that_only_knows_sha1_gets_it(pair):
    both = pair()
    both.client.association._dtls._srtp_profiles = SRTP_PROFILES[2:]
    both.client.association._dtls._RTCDtlsTransport__local_certificate = _plain_certificate()
    await both.connected()
    assert both.server.keys.profile.name == "SRTP_AES128_CM_SHA1_80"
    assert both.server.keys.profile.tag_bytes == 10


async def test_an_identity_offers_the_profiles_it_was_made_with(identities):
    few = DtlsIdentity((AES_256_GCM,))
    both = Pair(End(few, "client", None, False), End(identities[1], "server", (("sha-256", few.fingerprint),), False))
    await both.connected()
    assert both.server.keys.profile is AES_256_GCM
    await both.close()


def _plain_certificate():
    return RTCCertificate.generateCertificate()


class _OldCertificate(RTCCertificate):
    def _create_ssl_context(self, srtp_profiles):
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(b"ECDHE-ECDSA-AES256-SHA384")
        return context


@pytest.mark.parametrize("end", ["client", "server"])
async def test_another_certificate_than_the_pinned_one_gives_no_keys(pair, end):
    wrong = (("sha-256", ":".join(["00"] * 32)),)
    both = pair(**{f"{end}_pins": wrong})
    refusing = getattr(both, end)
    assert "certificate" in await refusing.ended()
    assert refusing.keys is None


async def test_all_announced_fingerprints_have_to_match(pair, identities):
    right = ("SHA-256", identities[1].fingerprint.lower())
    both = pair(client_pins=(right, ("sha-512", "00")))
    assert "certificate" in await both.client.ended()
    await pair(client_pins=(right, ("md5", "00"))).connected()


async def test_closing_tells_the_other_end(pair):
    both = await pair().connected()
    both.client.association.close()
    assert await both.server.ended() == "the peer closed the DTLS association"


async def test_closing_before_the_handshake_is_harmless(pair):
    both = pair()
    both.client.association.close()
    both.server.association.close()
    assert await both.client.ended()
    assert await both.server.ended()


async def test_a_peer_without_a_common_srtp_profile_gets_no_keys(pair):
    both = pair()
    both.client.association._dtls._srtp_profiles = SRTP_PROFILES[:1]
    both.client.association._dtls._RTCDtlsTransport__local_certificate = _plain_certificate()
    both.server.association._dtls._srtp_profiles = SRTP_PROFILES[2:]
    both.server.association._dtls._RTCDtlsTransport__local_certificate = _plain_certificate()
    assert await both.server.ended() == "the peer knows no SRTP profile of ours"
    assert both.server.keys is None


async def test_a_handshake_that_cannot_succeed_ends_with_a_reason(pair):
    both = pair()
    both.client.association._dtls._RTCDtlsTransport__local_certificate = _OldCertificate.generateCertificate()
    assert await both.server.ended() == "the DTLS handshake failed"


async def test_lost_datagrams_of_the_handshake_are_sent_again(pair):
    both = pair(control=True)
    lost = []

    def lossy(data: bytes) -> None:
        if not lost:
            lost.append(data)
        else:
            both.client.association.receive(data)

    both.server.association._wire._transmit = lossy  # the server's first flight is lost
    await both.connected()
    both.client.association.send_control(b"here")
    await both.server.until(lambda end: end.messages)
    assert lost


async def test_an_init_that_was_overtaken_changes_nothing(pair):
    both = await pair(control=True).connected()
    both.client.association.send_control(b"one")
    await both.server.until(lambda end: end.messages)
    init = InitChunk()
    init.initiate_tag = both.client.association._sctp._local_verification_tag
    init.initial_tsn = both.client.association._sctp._local_tsn - 1
    await both.client.hostile(serialize_packet(5000, 5000, 0, init))
    more = [bytes([index]) * 30_000 for index in range(5)]
    for message in more:
        both.client.association.send_control(message)
    await both.server.until(lambda end: len(end.messages) == 6)
    assert both.server.messages == [b"one", *more]


async def test_random_dtls_datagrams_do_not_disturb_a_connected_association(pair):
    both = await pair(control=True).connected()
    for first in range(20, 64):
        for length in (0, 12, 13, 100):
            both.server.association.receive(bytes([first]) + os.urandom(length))
            both.server.association.receive(bytes([first]) + b"\xfe\xfd" + bytes(8) + os.urandom(length))
    both.client.association.send_control(b"still here")
    await both.server.until(lambda end: end.messages)


async def test_random_dtls_datagrams_raise_nothing_during_the_handshake(pair):
    both = pair()
    for first in range(20, 64):
        both.server.association.receive(bytes([first]) + b"\xfe\xfd" + bytes(8) + os.urandom(30))
    await asyncio.wait([both.server.task, asyncio.create_task(both.connected())], return_when="FIRST_COMPLETED")


async def test_replayed_datagrams_of_the_handshake_are_ignored(pair):
    both = await pair(control=True).connected()
    for data in both.client.sent[:]:
        both.server.association.receive(data)
    both.client.association.send_control(b"still here")
    await both.server.until(lambda end: end.messages)


async def test_more_datagrams_than_the_queue_holds_are_refused(pair):
    both = await pair().connected()
    results = [both.server.association.receive(b"\x17") for _ in range(limits.dtls_datagrams_queued_max + 1)]
    assert results[-2:] == [True, False]


async def test_messages_pass_both_ways_in_order(pair):
    both = await pair(control=True).connected()
    outgoing = [b"", b"\0", b"text", os.urandom(5000), os.urandom(limits.control_message_bytes_max)]
    for message in outgoing:
        both.client.association.send_control(message)
        both.server.association.send_control(message[::-1])
    await both.server.until(lambda end: len(end.messages) == 5)
    await both.client.until(lambda end: len(end.messages) == 5)
    assert both.server.messages == outgoing
    assert both.client.messages == [message[::-1] for message in outgoing]


async def test_a_message_without_a_channel_is_our_callers_mistake(pair):
    both = await pair().connected()
    with pytest.raises(LocalError, match="not open"):
        both.client.association.send_control(b"x")


async def test_a_message_that_is_too_large_is_our_callers_mistake(pair):
    both = await pair(control=True).connected()
    with pytest.raises(LocalError, match="too large"):
        both.client.association.send_control(bytes(limits.control_message_bytes_max + 1))


async def test_messages_beyond_the_buffer_are_refused(pair):
    both = await pair(control=True).connected()
    both.client.other = both.client  # the peer hears nothing any more
    largest = bytes(limits.control_message_bytes_max)
    for _ in range(limits.control_buffered_bytes_max // len(largest)):
        both.client.association.send_control(largest)
    with pytest.raises(LocalError, match="full"):
        both.client.association.send_control(largest)


async def test_no_message_is_sent_after_the_end(pair):
    both = await pair(control=True).connected()
    both.client.association.close()
    with pytest.raises(LocalError, match="not open"):
        both.client.association.send_control(b"x")
    assert await both.server.ended()
    with pytest.raises(LocalError, match="not open"):
        both.server.association.send_control(b"x")


async def test_a_peer_that_aborts_its_channel_ends_the_association(pair):
    both = await pair(control=True).connected()
    await both.client.association._sctp._abort()
    assert await both.server.ended()


def data_chunk(tsn: int, flags: int, data: bytes, stream: int = 0, protocol: int = dtls.WEBRTC_BINARY) -> DataChunk:
    chunk = DataChunk(flags=flags)
    chunk.tsn, chunk.stream_id, chunk.protocol, chunk.user_data = tsn % 2**32, stream, protocol, data
    return chunk


def sack(*gaps: tuple[int, int]) -> SackChunk:
    chunk = SackChunk()
    chunk.gaps = list(gaps)
    return chunk


def forward() -> ForwardTsnChunk:
    chunk = ForwardTsnChunk()
    chunk.cumulative_tsn = 1
    return chunk


HOSTILE = {
    "two INITs in one packet": lambda tsn: [InitChunk(), InitChunk()],
    "an empty INIT": lambda tsn: [Raw(b"\x01\x00\x00\x05\x00\x00\x00\x00")],
    "a DATA chunk that is too short": lambda tsn: [Raw(b"\x00\x03\x00\x06ab\x00\x00")],
    "an empty message part": lambda tsn: [data_chunk(tsn, 3, b"")],
    "another stream": lambda tsn: [data_chunk(tsn, 3, b"x", stream=1)],
    "text": lambda tsn: [data_chunk(tsn, 3, b"\xff", protocol=51)],
    "a channel by DCEP": lambda tsn: [data_chunk(tsn, 3, b"\x03" + bytes(11), protocol=50)],
    "FORWARD-TSN": lambda tsn: [forward()],
    "a SACK of everything": lambda tsn: [sack((1, 65535), (1, 65535))],
    "many SACKs in one packet": lambda tsn: [sack((1, 1000))] * 10,
    "a gap that runs backwards": lambda tsn: [sack(*[(9, 1)] * 4), sack((1, 65535))],
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_peer_that_breaks_the_rules_loses_the_association(pair, name):
    both = await pair(control=True).connected()
    await both.client.hostile_chunk(*HOSTILE[name](both.client.association._sctp._local_tsn))
    assert await both.server.ended()
    assert both.server.messages == []


async def test_parts_of_messages_that_never_end_are_bounded(pair):
    both = await pair(control=True).connected()
    tsn = both.client.association._sctp._local_tsn
    for index in range(limits.control_received_bytes_max // 1000 + 2):
        await both.client.hostile_chunk(data_chunk(tsn + index, 2 if index == 0 else 0, bytes(1000)))
        await asyncio.sleep(0)
    assert await both.server.ended() == "the peer overran the receive window"


async def test_parts_with_holes_between_them_are_bounded(pair, monkeypatch):
    monkeypatch.setattr(limits, "control_gaps_max", 20)
    both = await pair(control=True).connected()
    tsn = both.client.association._sctp._local_tsn
    for index in range(30):
        await both.client.hostile_chunk(data_chunk(tsn + 2 + 2 * index, 3, b"x"))
        await asyncio.sleep(0)
    assert await both.server.ended() == "the peer overran the receive window"


async def test_sctp_truncated_at_every_length_raises_nothing(pair):
    both = await pair(control=True).connected()
    tag = both.client.association._sctp._remote_verification_tag
    packet = serialize_packet(5000, 5000, tag, data_chunk(both.client.association._sctp._local_tsn, 3, b"abcd"))
    for length in range(1, len(packet)):
        await both.client.hostile(packet[:length])
        await asyncio.sleep(0)
    both.server.association.send_control(b"still here")
    await both.client.until(lambda end: end.messages)


@settings(max_examples=60, deadline=None)
@given(
    kinds=st.lists(
        st.tuples(st.sampled_from([*range(16), 130, 192]), st.integers(0, 255), st.binary(max_size=60)),
        min_size=1,
        max_size=5,
    )
)
async def test_random_chunks_raise_nothing(identities, kinds):
    both = await Pair(End(identities[0], "client", None, True), End(identities[1], "server", None, True)).connected()
    chunks = [
        Raw(struct.pack("!BBH", kind, flags, 4 + len(body)) + body + bytes(-len(body) & 3))
        for kind, flags, body in kinds
    ]
    await both.client.hostile_chunk(*chunks)
    await asyncio.sleep(0)
    await both.close()


async def test_cancelling_is_silent(pair):
    both = await pair(control=True).connected()
    both.client.association.close()
    both.client.task.cancel()
    await asyncio.wait([both.client.task])
    assert both.client.task.cancelled()
