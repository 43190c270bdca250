from uuid import uuid4

from foundation import limits
from media.arrivals import Arrivals
from tests.unit.media.rtp_samples import AUDIO, VIDEO

ONE, OTHER = uuid4(), uuid4()


def test_the_first_packet_of_any_track_is_told_once() -> None:
    arrivals, told = Arrivals(), []
    arrivals.expect(ONE, [VIDEO, AUDIO], lambda: told.append("one"))
    arrivals.came(0xA1)
    assert told == []
    arrivals.came(0xB0)
    arrivals.came(0xA0)
    assert told == ["one"]


def test_a_description_counts_as_the_first_packet() -> None:
    arrivals, told = Arrivals(), []
    arrivals.expect(ONE, [VIDEO], lambda: told.append("one"))
    arrivals.came(VIDEO.mid)
    assert told == ["one"]


def test_what_was_given_up_is_not_told_and_the_others_are() -> None:
    arrivals, told = Arrivals(), []
    arrivals.expect(ONE, [VIDEO], lambda: told.append("one"))
    arrivals.expect(OTHER, [AUDIO], lambda: told.append("other"))
    arrivals.give_up(ONE)
    arrivals.came(0xA0)
    arrivals.came(0xB0)
    assert told == ["other"]


def test_packets_are_kept_in_order_for_a_while_and_up_to_a_bound() -> None:
    arrivals = Arrivals()
    assert not arrivals.keep(1, b"x", 0.0)
    arrivals.keeps_early = True
    assert arrivals.keep(1, b"old", 0.0)
    now = limits.early_seconds_max + 0.1
    for ssrc, data in ((1, b"a"), (2, b"b"), (1, b"c")):
        arrivals.keep(ssrc, data, now)
    assert arrivals.early({1}, now) == [b"a", b"c"]
    assert arrivals.early({1}, now) == []
    assert arrivals.early({2, None}, now) == [b"b"]
    for number in range(limits.early_packets_max + 5):
        arrivals.keep(3, str(number).encode(), now)
    kept = arrivals.early({3}, now)
    assert (len(kept), kept[0]) == (limits.early_packets_max, b"5")
