"""Media as a model: light and dark along the pipes."""

from itertools import pairwise
from uuid import UUID

from swarm.simulate.feeding import Feed, Feeding

P = UUID(int=1)


def chain(feeding: Feeding, *names: bytes) -> list[Feed]:
    """An owner, and each node below the one before."""
    feeds = [feeding.feed(name, P, 0.0) for name in names]
    feeding.begin(feeds[0], 0.0)
    for pipe, (above, below) in enumerate(pairwise(feeds)):
        feeding.plug(below, above, pipe, 0.0)
    return feeds


def test_what_hangs_below_an_owner_is_fed() -> None:
    assert all(feed.fed for feed in chain(Feeding(), b"a", b"b", b"c"))


def test_a_death_darkens_everything_below_and_nothing_else() -> None:
    feeding = Feeding()
    a, b, c, d = chain(feeding, b"a", b"b", b"c", b"d")
    e = feeding.feed(b"e", P, 0.0)
    feeding.plug(e, a, 9, 0.0)
    feeding.remove(b, 1.0)
    assert [feed.fed for feed in (a, c, d, e)] == [True, False, False, True]


def test_an_outage_lasts_until_the_pipes_are_whole_again() -> None:
    feeding = Feeding()
    a, b, c, d = chain(feeding, b"a", b"b", b"c", b"d")
    d.viewers = 3
    feeding.remove(b, 1.0)
    feeding.plug(c, a, 9, 1.5)
    [outage] = feeding.outages
    assert (outage.begin, outage.end, outage.viewers) == (1.0, 1.5, 3)


def test_a_circle_is_counted_and_dark() -> None:
    feeding = Feeding()
    _, b, _, d = chain(feeding, b"a", b"b", b"c", b"d")
    feeding.plug(b, d, 9, 1.0)
    assert feeding.loops == 1
    assert not b.fed
    assert not d.fed


def test_with_two_sources_the_loss_of_either_is_not_seen() -> None:
    feeding = Feeding()
    a, b, c = chain(feeding, b"a", b"b", b"c")
    c.viewers = 1
    feeding.plug(c, a, 9, 1.0, keep_old=True)
    feeding.remove(b, 2.0)
    assert c.fed
    assert feeding.outages == []
    feeding.cut(c, b"a", 3.0)
    assert not c.fed


def test_the_stop_of_an_older_pipe_is_not_that_of_a_newer_one() -> None:
    feeding = Feeding()
    _, b = chain(feeding, b"a", b"b")
    feeding.cut(b, b"a", 1.0, pipe=77)
    assert b.fed


def test_the_flow_of_every_new_source_is_told() -> None:
    feeding, told = Feeding(), []
    feeding.on_flow = lambda feed, source: told.append((feed.node, source.node))
    a, b, _ = chain(feeding, b"a", b"b", b"c")
    feeding.remove(a, 1.0)
    told.clear()
    feeding.begin(feeding.feed(b"a", P, 2.0), 2.0)
    feeding.plug(b, feeding.feed(b"a", P, 2.0), 5, 2.0)
    assert sorted(told) == [(b"b", b"a"), (b"c", b"b")]
