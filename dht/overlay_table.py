"""The routing table: kademlia's buckets, with its reach exact and its side effects taken out."""

from collections.abc import Iterator
from typing import Any

from kademlia.node import Node
from kademlia.routing import KBucket, RoutingTable

from dht.subnets import subnet_of
from foundation.address import Address
from foundation.identity import NodeId
from foundation.limits import contacts_max, subnet_contacts_max

BUCKET_SIZE = 20
"""Kademlia's k: contacts per bucket."""


class Contact(Node):  # type: ignore[misc]
    """A node in the table, when it was last heard (loop time), and how often it failed to answer since."""

    def __init__(self, node_id: NodeId, address: Address, now: float, public: bytes = b"") -> None:
        super().__init__(node_id, *address)
        self.public = public
        self.heard_at = now
        self.strikes = 0
        self.struck_at = float("-inf")

    @property
    def address(self) -> Address:
        return self.ip, self.port


class Table(RoutingTable):  # type: ignore[misc]
    """What differs from the package: a contact at a bucket's very end is found again, neighbours are the exact ones,
    a full bucket's oldest contact is returned to be checked instead of pinged by a stray task, and there is a bound.
    """

    subnet_max: int | None = subnet_contacts_max
    """Contacts in one public subnet at most; `None` for any number."""

    def __init__(self, protocol: Any, ksize: int, node: Node) -> None:
        super().__init__(protocol, ksize, node)
        self._by_number: dict[int, Contact] = {}

    def __iter__(self) -> Iterator[Contact]:
        for bucket in self.buckets:
            yield from bucket.nodes.values()

    def __len__(self) -> int:
        return sum(len(bucket) for bucket in self.buckets)

    def get_bucket_for(self, node: Any) -> int:
        for index, bucket in enumerate(self.buckets):
            if node.long_id <= bucket.range[1]:
                return index
        raise AssertionError("the last bucket ends with the id space")

    def contact(self, node_id: NodeId) -> Contact | None:
        """The contact or spare with this id."""
        bucket = self._bucket(Node(node_id))
        contact: Contact | None = bucket[node_id] or bucket.replacement_nodes.get(node_id)
        return contact

    def heard(self, contact: Contact, now: float) -> None:
        """The contact has just spoken: it is its bucket's youngest."""
        contact.heard_at, contact.strikes = now, 0
        bucket = self._bucket(contact)
        (bucket.nodes if contact.id in bucket.nodes else bucket.replacement_nodes).move_to_end(contact.id)

    def add_contact(self, node: Contact) -> Contact | None:
        """Adds a new contact, splitting buckets as kademlia does (section 4.2 of its paper).

        Where the bucket is full the contact waits as a spare; then the bucket's oldest contact is returned.
        """
        self._by_number = {}
        bucket = self._bucket(node)
        if len(self) >= contacts_max and node.id not in bucket.nodes:
            return None
        while not bucket.add_node(node):
            if not self._splits(bucket):
                oldest: Contact = bucket.head()
                return oldest
            self.split_bucket(self.get_bucket_for(node))
            bucket = self._bucket(node)
        return None

    def wants(self, node_id: NodeId) -> bool:
        """Whether a node that is not in the table would find room there, its bucket split if need be."""
        bucket = self._bucket(Node(node_id))
        return len(self) < contacts_max and (len(bucket) < self.ksize or self._splits(bucket))

    def crowded(self, address: Address) -> bool:
        """Whether the table has as many contacts in this address's public subnet as it may."""
        subnet = subnet_of(address[0])
        if subnet is None or self.subnet_max is None:
            return False
        return sum(subnet_of(contact.ip) == subnet for contact in self) >= self.subnet_max

    def oldest_beside(self, node_id: NodeId) -> Contact | None:
        """The contact not heard for longest in the bucket of this id."""
        bucket = self._bucket(Node(node_id))
        return bucket.head() if len(bucket) else None

    def find_neighbors(self, node: Any, k: int | None = None, exclude: Any = None) -> list[Contact]:
        by_number = self._by_number or self._number()
        nearest = sorted(by_number, key=node.long_id.__xor__)[: (k or self.ksize) + 2]
        found = [by_number[number] for number in nearest if number != node.long_id]
        if exclude is not None:
            found = [contact for contact in found if contact.id != exclude.id and not contact.same_home_as(exclude)]
        return found[: k or self.ksize]

    def remove_contact(self, node: Any) -> None:
        self._by_number = {}
        super().remove_contact(node)

    def _number(self) -> dict[int, Contact]:
        """Contacts by the number of their ids, kept until the table changes: every answer needs the nearest."""
        self._by_number = {contact.long_id: contact for contact in self}
        return self._by_number

    def _splits(self, bucket: KBucket) -> bool:
        """Kademlia's rule with b = 5: buckets with us in range, and those at depths that are no multiple of 5."""
        if bucket.has_in_range(self.node):
            return True
        numbers = [contact.long_id for contact in bucket.nodes.values()]
        return bool((160 - (min(numbers) ^ max(numbers)).bit_length()) % 5)

    def _bucket(self, node: Any) -> KBucket:
        return self.buckets[self.get_bucket_for(node)]
