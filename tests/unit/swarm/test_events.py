"""What viewers are told beside their media: order, bounds, readers that come and go."""

import asyncio

import pytest

from foundation import limits
from foundation.errors import SwarmFull
from swarm.events import NAMES, RECONNECT, EventStream, EventStreams, SessionEvent


def event(url: str = "http://x") -> SessionEvent:
    return SessionEvent(RECONNECT, {"url": url})


async def test_events_come_in_their_order() -> None:
    stream = EventStream()
    stream.put(event("one"))
    stream.put(event("two"))
    reader = stream.reader()
    assert await stream.next(reader) == (1, event("one"))
    assert await stream.next(reader, 1) == (2, event("two"))


async def test_what_was_read_stays_for_a_reader_that_comes_again() -> None:
    stream = EventStream()
    stream.put(event("one"))
    for _ in range(2):
        assert await stream.next(stream.reader()) == (1, event("one"))


async def test_a_reader_waits_for_what_comes_later() -> None:
    stream = EventStream()
    waiting = asyncio.ensure_future(stream.next(stream.reader()))
    await asyncio.sleep(0)
    stream.put(event())
    assert await waiting == (1, event())


async def test_only_what_was_asked_for_is_kept() -> None:
    stream = EventStream(frozenset())
    stream.put(event())
    stream.close()
    assert await stream.next(stream.reader()) is None


async def test_of_too_many_the_oldest_are_dropped() -> None:
    stream = EventStream()
    for number in range(limits.session_events_max + 2):
        stream.put(event(str(number)))
    assert await stream.next(stream.reader()) == (3, event("2"))


async def test_the_newest_reader_gets_what_comes_and_the_older_one_is_sent_away() -> None:
    stream = EventStream()
    older = asyncio.ensure_future(stream.next(stream.reader()))
    await asyncio.sleep(0)
    newest = asyncio.ensure_future(stream.next(stream.reader()))
    assert await older is None
    stream.put(event())
    assert await newest == (1, event())


async def test_the_end_of_a_stream_is_the_end_for_its_reader() -> None:
    stream = EventStream()
    waiting = asyncio.ensure_future(stream.next(stream.reader()))
    await asyncio.sleep(0)
    stream.close()
    assert await waiting is None
    stream.put(event())
    assert await stream.next(stream.reader()) is None


async def test_a_session_has_one_stream_and_a_new_one_replaces_it() -> None:
    streams = EventStreams()
    first = streams.open("session", NAMES)
    second = streams.open("session", NAMES)
    assert first.closed
    assert streams.get("session") is second
    assert streams.listeners() == ["session"]
    assert streams.close("session")
    assert not streams.close("session")
    assert second.closed
    assert len(streams) == 0


async def test_streams_are_bounded_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "event_streams_max", 2)
    streams = EventStreams()
    for session in ("one", "two", "two"):
        streams.open(session, NAMES)
    with pytest.raises(SwarmFull):
        streams.open("three", NAMES)
    assert sorted(streams.listeners()) == ["one", "two"]
