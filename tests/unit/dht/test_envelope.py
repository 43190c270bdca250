import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dht.envelope import HEADER_BYTES, ClockSkew, Envelope, body_bytes_max
from foundation.errors import RemoteError
from foundation.identity import swarm_id
from tests.unit.dht.samples import SECRET, SWARM, WALL_MS


def envelope(*secrets: bytes, swarm: bytes = SWARM) -> Envelope:
    return Envelope(swarm, secrets or (SECRET,))


@pytest.mark.parametrize("body", [b"", b"x", bytes(body_bytes_max)])
def test_what_is_sealed_opens(body: bytes) -> None:
    datagram = envelope().seal(body, WALL_MS)
    assert envelope().open(datagram, WALL_MS) == body
    assert datagram[0] == 0xD5
    assert len(datagram) == HEADER_BYTES + len(body) <= 1232


@pytest.mark.parametrize("length", range(60))
def test_a_truncated_datagram_is_refused(length: int) -> None:
    datagram = envelope().seal(b"b" * 30, WALL_MS)
    assert len(datagram) == 60
    with pytest.raises(RemoteError):
        envelope().open(datagram[:length], WALL_MS)


def test_a_datagram_with_any_bit_changed_is_refused() -> None:
    datagram = envelope().seal(b"body", WALL_MS)
    receiver = envelope()
    for bit in range(8 * len(datagram)):
        changed = bytearray(datagram)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RemoteError):
            receiver.open(bytes(changed), WALL_MS)
    assert receiver.open(datagram, WALL_MS) == b"body"


def test_trailing_bytes_are_refused() -> None:
    with pytest.raises(RemoteError):
        envelope().open(envelope().seal(b"body", WALL_MS) + b"\0", WALL_MS)


def test_a_datagram_counts_once() -> None:
    receiver, datagram = envelope(), envelope().seal(b"body", WALL_MS)
    receiver.open(datagram, WALL_MS)
    for later in (0, 1, 29_999):
        with pytest.raises(RemoteError, match="twice"):
            receiver.open(datagram, WALL_MS + later)


def test_the_same_body_a_millisecond_later_is_another_datagram() -> None:
    sender, receiver = envelope(), envelope()
    receiver.open(sender.seal(b"body", WALL_MS), WALL_MS)
    assert receiver.open(sender.seal(b"body", WALL_MS + 1), WALL_MS) == b"body"


@pytest.mark.parametrize("ahead_ms", [-30_000, 30_000])
def test_a_datagram_is_known_again_for_as_long_as_it_would_be_taken(ahead_ms: int) -> None:
    receiver, datagram = envelope(), envelope().seal(b"first", WALL_MS + ahead_ms)
    receiver.open(datagram, WALL_MS)
    for later in range(0, 90_000, 500):
        now = WALL_MS + later
        receiver.open(envelope().seal(str(later).encode(), now), now)
        with pytest.raises(RemoteError):
            receiver.open(datagram, now)


@pytest.mark.parametrize("offset_ms", [-30_001, 30_001, -(10**9), 10**12])
def test_a_datagram_more_than_30_s_from_now_is_skewed(offset_ms: int) -> None:
    with pytest.raises(ClockSkew):
        envelope().open(envelope().seal(b"body", WALL_MS + offset_ms), WALL_MS)


@pytest.mark.parametrize("offset_ms", [-30_000, 30_000])
def test_a_datagram_up_to_30_s_from_now_is_taken(offset_ms: int) -> None:
    assert envelope().open(envelope().seal(b"body", WALL_MS + offset_ms), WALL_MS) == b"body"


@pytest.mark.parametrize("other", [envelope(b"x" * 32), envelope(swarm=swarm_id("other")), Envelope(SWARM)])
def test_a_datagram_of_another_swarm_is_refused(other: Envelope) -> None:
    with pytest.raises(RemoteError):
        envelope().open(other.seal(b"body", WALL_MS), WALL_MS)


def test_an_open_swarm_s_members_understand_each_other() -> None:
    assert Envelope(SWARM).open(Envelope(SWARM).seal(b"body", WALL_MS), WALL_MS) == b"body"


def test_two_keys_live_side_by_side_while_a_swarm_changes_its_key() -> None:
    old, new = b"o" * 32, b"n" * 32
    before, during, after = envelope(old), envelope(new, old), envelope(new)
    assert during.open(before.seal(b"a", WALL_MS), WALL_MS) == b"a"
    assert during.open(after.seal(b"b", WALL_MS), WALL_MS) == b"b"
    assert after.open(during.seal(b"c", WALL_MS), WALL_MS) == b"c"
    with pytest.raises(RemoteError):
        after.open(before.seal(b"d", WALL_MS), WALL_MS)


def test_the_replay_window_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dht.envelope.replays_remembered_max", 10)
    sender, receiver = envelope(), envelope()
    for number in range(100):
        receiver.open(sender.seal(str(number).encode(), WALL_MS), WALL_MS)
    assert len(receiver._replays._newer) + len(receiver._replays._older) <= 20


@given(st.binary(max_size=1500))
@settings(deadline=None, max_examples=200)
def test_random_bytes_are_refused(data: bytes) -> None:
    for datagram in (data, b"\xd5" + data, b"\xd5\x01" + data):
        with pytest.raises(RemoteError):
            envelope().open(datagram, WALL_MS)
