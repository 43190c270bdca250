"""When a drain is over: nobody is left, or its time is."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from foundation import limits
from swarm.draining import Draining


class Place:
    """Somebody is there until `empty`; what it was told is in `told`."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.empty = False
        begin, undo = (lambda: self.told.append("begin")), (lambda: self.told.append("undo"))
        self.draining = Draining(begin, undo, lambda: self.empty)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    place = Place()
    yield place
    place.draining.close()


async def test_a_drain_is_over_when_the_last_one_has_left(place: Place) -> None:
    place.draining.begin(60)
    assert place.draining.active
    assert not place.draining.over.is_set()
    place.empty = True
    assert not place.draining.over.is_set()
    place.draining.look()
    assert place.draining.over.is_set()
    assert place.told == ["begin"]


async def test_a_drain_of_an_empty_node_is_over_at_once(place: Place) -> None:
    place.empty = True
    place.draining.begin(60)
    assert place.draining.over.is_set()


async def test_a_drain_is_over_in_time_to_say_goodbye(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "drain_goodbye_seconds", 59.99)
    place.draining.begin(60)
    async with asyncio.timeout(20):
        await place.draining.over.wait()


async def test_a_drain_without_time_is_over_at_once(place: Place) -> None:
    place.draining.begin(0)
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        await place.draining.over.wait()


async def test_a_drain_that_is_taken_back_is_never_over(place: Place) -> None:
    place.draining.begin(60)
    assert place.draining.undo()
    place.empty = True
    place.draining.look()
    assert not place.draining.active
    assert not place.draining.over.is_set()
    assert place.draining.seconds_left == 0
    assert place.told == ["begin", "undo"]


async def test_what_is_over_or_never_began_cannot_be_taken_back(place: Place) -> None:
    assert not place.draining.undo()
    place.empty = True
    place.draining.begin(60)
    assert not place.draining.undo()
    assert place.told == ["begin"]


async def test_a_second_drain_only_makes_the_first_one_shorter(place: Place) -> None:
    place.draining.begin(60)
    place.draining.begin(1000)
    assert place.draining.seconds_left <= 60
    place.draining.begin(30)
    assert place.draining.seconds_left <= 30
    assert place.told == ["begin"]


async def test_a_drain_may_begin_anew_after_it_was_taken_back(place: Place) -> None:
    place.draining.begin(60)
    place.draining.undo()
    place.draining.begin(30)
    assert place.told == ["begin", "undo", "begin"]
