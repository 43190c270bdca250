"""Server-sent events of viewers' sessions (draft-ietf-wish-whep): who listens, and what waits to be told."""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from foundation import limits
from foundation.errors import SwarmFull

RECONNECT = "reconnect"
"""Start a new session, at the `url` of the data, in place of this one."""

NAMES = frozenset({RECONNECT})
"""Of the draft's events those that this node sends."""


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """One event; `data` is sent as JSON."""

    name: str
    data: Mapping[str, str] = field(default_factory=dict)


class EventStream:
    """What one viewer is to be told: the last few events, numbered from 1. One reader at a time, the newest counts.

    Events stay when they were read: a reader that lost its connection comes back and says which it had.
    """

    def __init__(self, names: frozenset[str] = NAMES) -> None:
        """Only events of these names are kept."""
        self.closed = False
        self._names = names
        self._events: deque[SessionEvent] = deque(maxlen=limits.session_events_max)
        self._newest = 0
        self._changed = asyncio.Event()
        self._readers = 0

    def put(self, event: SessionEvent) -> None:
        if event.name in self._names and not self.closed:
            self._events.append(event)
            self._newest += 1
            self._changed.set()

    def close(self) -> None:
        """Nothing more comes, and what is here is dropped."""
        self.closed = True
        self._changed.set()

    def reader(self) -> int:
        """A number for `next`; readers with an earlier one are sent away."""
        self._readers += 1
        self._changed.set()
        return self._readers

    async def next(self, reader: int, after: int = 0) -> tuple[int, SessionEvent] | None:
        """The first event with a number above `after`, and its number; None when nothing more is for this reader."""
        while reader == self._readers and not self.closed:
            if after < self._newest:
                number = max(after + 1, self._newest - len(self._events) + 1)
                return number, self._events[number - self._newest - 1]
            self._changed.clear()
            await self._changed.wait()
        self._changed.set()  # A reader that was sent away may have taken the wake-up of the newest.
        return None


class EventStreams:
    """The streams of a node: one for each session that asked for it, and a bounded number in all."""

    def __init__(self) -> None:
        self._streams: dict[str, EventStream] = {}

    def __len__(self) -> int:
        return len(self._streams)

    def open(self, session_id: str, names: frozenset[str]) -> EventStream:
        """A new stream, which replaces the session's former one. Raises `SwarmFull`."""
        self.close(session_id)
        if len(self._streams) >= limits.event_streams_max:
            raise SwarmFull("This node has as many event streams as it can: watch without one.")
        stream = self._streams[session_id] = EventStream(names)
        return stream

    def get(self, session_id: str) -> EventStream | None:
        return self._streams.get(session_id)

    def close(self, session_id: str) -> bool:
        """Ends a session's stream; false when it has none."""
        stream = self._streams.pop(session_id, None)
        if stream is not None:
            stream.close()
        return stream is not None

    def listeners(self) -> list[str]:
        """The sessions that have a stream."""
        return list(self._streams)
