from uuid import uuid4

import pytest

from foundation import limits
from foundation.errors import LocalError
from media.producer import Producer
from media.router import Router
from tests.unit.media.rtp_samples import AUDIO, Node


def producer(router: Router) -> Producer:
    return Producer(uuid4(), [AUDIO], False, router.forwarder, lambda track: None)


def test_a_producer_is_found_until_it_closes() -> None:
    router = Node().router
    one = producer(router)
    router.add(one)
    assert router.get(one.id) is one
    one.close()
    assert router.get(one.id) is None


def test_an_id_is_taken_once() -> None:
    router = Node().router
    one = producer(router)
    router.add(one)
    twin = Producer(one.id, [AUDIO], True, router.forwarder, lambda track: None)
    with pytest.raises(LocalError, match="already"):
        router.add(twin)
    twin.close()
    assert router.get(one.id) is one


def test_a_full_router_takes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "producers_per_node_max", 2)
    router = Node().router
    router.add(producer(router))
    router.add(producer(router))
    with pytest.raises(LocalError):
        router.add(producer(router))
    assert len(router.producers) == 2
