"""Places for viewers, asked for ahead: kept for so many streams, and no more."""

from uuid import UUID

from foundation import limits
from tests.unit.swarm.relay_core import Core, record


def test_places_are_kept_for_the_streams_that_were_asked_for_last() -> None:
    seeking = Core().tree._seeking
    for number in range(limits.find_producers_max):
        seeking._keep_stock(UUID(int=number), record(1).contact)
    oldest = seeking._stocks[UUID(int=0)]
    seeking._keep_stock(UUID(int=0), record(1).contact)
    seeking._keep_stock(UUID(int=limits.find_producers_max), record(1).contact)
    assert len(seeking._stocks) == limits.find_producers_max
    assert seeking._stocks[UUID(int=0)] is oldest
    assert UUID(int=1) not in seeking._stocks
