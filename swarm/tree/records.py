"""Signed node records that others passed on: each checked once, and kept while it is heard of."""

from collections.abc import Callable

from foundation import limits
from foundation.identity import NodeId
from swarm.record import NodeRecord


class Records:
    """By node, and by their bytes, which are the same with every sender: a signature takes 150 µs to check."""

    def __init__(self, read_record: Callable[[bytes], NodeRecord]) -> None:
        self._read_record = read_record
        self._by_node: dict[NodeId, NodeRecord] = {}
        self._by_bytes: dict[bytes, NodeRecord] = {}

    def __len__(self) -> int:
        return len(self._by_node)

    def get(self, node: NodeId) -> NodeRecord | None:
        return self._by_node.get(node)

    def learn(self, encoded: bytes) -> NodeRecord:
        """The record in these bytes. Raises `RemoteError` when it is not good."""
        record = self._by_bytes.get(encoded) or self._read_record(encoded)
        before = self._by_node.pop(record.node, None)
        if before is not None and before.encoded != encoded:
            if before.sequence > record.sequence:
                self._by_node[record.node] = before
                return record
            del self._by_bytes[before.encoded]
        self._by_node[record.node] = self._by_bytes[encoded] = record
        if len(self._by_node) > limits.records_known_max:
            oldest = self._by_node.pop(next(iter(self._by_node)))
            del self._by_bytes[oldest.encoded]
        return record
