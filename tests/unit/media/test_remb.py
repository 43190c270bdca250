from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from media.remb import BitrateEstimator, abs_send_time
from media.rtcp import Remb, feedback_message, parse_compound
from media.rtp import elements, parse_header

PACKET_BYTES = 1000


class Path:
    """A publisher of steady rate in front of a link that queues what is too much."""

    def __init__(self, estimator: BitrateEstimator, *, link_bitrate: float) -> None:
        self.estimator = estimator
        self.link_seconds = PACKET_BYTES * 8 / link_bitrate
        self.now, self.free_at = 1000.0, 0.0
        self.messages: list[tuple[float, Remb]] = []

    def publish(self, seconds: float, bitrate: float) -> None:
        step = PACKET_BYTES * 8 / bitrate
        for _ in range(round(seconds / step)):
            self.now += step
            self.free_at = max(self.free_at, self.now) + self.link_seconds
            self.estimator.received(int(self.now * 2**18), PACKET_BYTES, 5, self.free_at)
            packet = self.estimator.poll(1, self.free_at)
            if packet is not None:
                message = feedback_message(parse_compound(packet)[0])
                assert isinstance(message, Remb)
                self.messages.append((self.free_at, message))


def test_a_free_path_is_estimated_above_what_is_sent() -> None:
    path = Path(BitrateEstimator(), link_bitrate=50e6)
    path.publish(20, 1e6)
    assert path.messages
    assert path.messages[-1][1].bitrate > 1.2e6
    assert path.messages[-1][1].ssrcs == (5,)


def test_a_narrow_path_is_estimated_below_its_width() -> None:
    path = Path(BitrateEstimator(), link_bitrate=1e6)
    path.publish(5, 0.5e6)
    path.publish(3, 2e6)
    assert path.messages[-1][1].bitrate < 1e6
    assert path.estimator.bitrate is not None


def test_messages_keep_their_distance() -> None:
    path = Path(BitrateEstimator(), link_bitrate=1e6)
    path.publish(10, 3e6)
    times = [at for at, _ in path.messages]
    assert len(times) > 5
    assert all(later - earlier >= 0.2 for earlier, later in pairwise(times))


def test_there_is_nothing_to_send_before_the_first_estimate() -> None:
    estimator = BitrateEstimator()
    assert estimator.timeout() is None
    estimator.received(0, 1000, 5, 1.0)
    assert estimator.timeout() is None
    assert estimator.poll(1, 2.0) is None
    assert estimator.bitrate is None


def test_a_long_silence_neither_stalls_nor_forgets_the_estimate() -> None:
    path = Path(BitrateEstimator(), link_bitrate=50e6)
    path.publish(10, 1e6)
    before = path.estimator.bitrate
    assert before is not None
    path.now += 1e7
    path.publish(2, 1e6)
    assert path.estimator.bitrate is not None
    assert path.estimator.bitrate >= before


def test_the_sources_named_are_bounded_and_recent() -> None:
    estimator = BitrateEstimator()
    for i in range(6000):
        estimator.received(int(i / 1000 * 2**18), 1000, i if i < 1000 else 7_000, 10 + i / 1000)
    packet = estimator.poll(1, 16.0)
    assert packet is not None
    message = feedback_message(parse_compound(packet)[0])
    assert isinstance(message, Remb)
    assert len(message.ssrcs) <= limits.sources_estimated_max


def test_the_send_time_is_read_from_its_extension() -> None:
    packet = b"\x90\x60" + bytes(10) + b"\xbe\xde\x00\x01\x32\x01\x02\x03payload"
    found = elements(packet, parse_header(packet))
    assert abs_send_time(packet, found, 3) == 0x010203
    assert abs_send_time(packet, found, 4) is None


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 2**24 - 1), st.integers(0, 1500), st.floats(0, 5)), max_size=300))
def test_no_send_times_however_wrong_break_the_estimate(packets: list[tuple[int, int, float]]) -> None:
    estimator = BitrateEstimator()
    now = 0.0
    for send_time, size, wait in packets:
        now += wait / 20
        estimator.received(send_time, size, 1, now)
        estimator.poll(1, now)
        assert estimator.bitrate is None or estimator.bitrate >= 30_000
