"""Router (mediasoup's term): the producers this node carries, by UUID, and what its packet path counted."""

from uuid import UUID

from foundation import limits
from foundation.errors import LocalError
from media.counters import Counters
from media.forward import Forwarder, SegmentPort
from media.producer import Producer
from media.srtp import SendBuffer


class Router:
    """All producers of one node, published and piped, and the way out for all of their consumers."""

    def __init__(self, port: SegmentPort, buffer: SendBuffer) -> None:
        self.counters = Counters()
        self.forwarder = Forwarder(port, buffer, self.counters)
        self.producers: dict[UUID, Producer] = {}

    def add(self, producer: Producer) -> None:
        """Carries the producer until it closes. Raises `LocalError` when its id is carried already, or at the limit."""
        if producer.id in self.producers:
            raise LocalError(f"producer {producer.id} is carried here already")
        if len(self.producers) >= limits.producers_per_node_max:
            raise LocalError(f"this node carries {len(self.producers)} producers already")
        self.producers[producer.id] = producer
        producer.on_close.append(lambda _reason: self._forget(producer))

    def get(self, producer_id: UUID) -> Producer | None:
        """The live producer with this id, if this node carries it."""
        return self.producers.get(producer_id)

    def _forget(self, producer: Producer) -> None:
        del self.producers[producer.id]
