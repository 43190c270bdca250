import gc

import pytest

from swarm.process.garbage import collect_seldom


@pytest.fixture(autouse=True)
def as_before():
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_all_that_a_node_started_with_is_looked_at_no_more():
    collect_seldom()
    assert gc.get_freeze_count() > 1000


def test_full_collections_become_rare_and_young_objects_are_collected_as_before():
    before = gc.get_threshold()
    collect_seldom()
    young, middle, full = gc.get_threshold()
    assert (young, middle) == before[:2]
    assert full >= 10 * before[2]
