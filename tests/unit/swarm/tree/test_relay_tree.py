"""The face of the relay tree: slots, viewers, redirects, and what does not fit the moment."""

from contextlib import suppress
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from foundation.errors import LocalError
from swarm.messages import (
    Accepted,
    Backup,
    Backups,
    Consume,
    Delegated,
    Ended,
    Error,
    Handover,
    Hello,
    Leave,
    Lineage,
    Message,
    Purpose,
    Refused,
    Release,
    Report,
    ReportedCandidate,
    Tree,
    TreeReply,
)
from swarm.policy import Load
from swarm.tree.actions import Accept, Attach, Carried, Detach, Lookup, Settled
from tests.unit.swarm.tree.relay_core import Core, P, Q, messages, node, record, tracks


@pytest.fixture
def core() -> Core:
    return Core()


def test_a_stream_that_is_here_settles_at_once(core: Core) -> None:
    core.own()
    assert core.want()
    assert core.one(Settled) == Settled(P, "v", Carried())


def test_viewers_that_wait_and_viewers_that_watch_take_slots(core: Core) -> None:
    core.own()
    assert core.want(P, "a")
    assert core.want(Q, "b")
    assert core.tree.load == Load(viewers=2, children=0, owns=True)
    assert not core.want(P, "c"), "the last slot is held back for relays"
    core.release(P, "a")
    assert core.want(P, "c")


def test_a_viewer_that_asks_again_takes_no_second_slot(core: Core) -> None:
    core.own()
    for _ in range(5):
        assert core.want(P, "a")
    assert core.tree.load.viewers == 1


def test_a_viewer_that_is_released_twice_frees_one_slot(core: Core) -> None:
    core.own()
    core.want(P, "a")
    core.want(P, "b")
    for _ in range(3):
        core.release(P, "a")
        core.release(Q, "a")
    assert core.tree.load.viewers == 1
    assert core.tree.viewers(P) == 1


def test_only_so_many_streams_are_sought(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "carriages_max", 1)
    core = Core(slots=9)
    assert core.want(P)
    assert not core.want(Q)
    assert core.want(P, "another")


def test_producing_ends_the_search_for_a_stream(core: Core) -> None:
    request = core.asks_owner().request
    core.asked_by(2)
    core.tree.produced(P, 1, core.now)
    done = core.actions()
    assert Settled(P, "v", Carried()) in done
    assert [action.child for action in done if isinstance(action, Accept)] == [node(2)]
    core.accepted_by(1, request)
    assert core.one(Release) == Release(request, P)


def test_producing_twice_changes_nothing(core: Core) -> None:
    core.own()
    core.own()
    assert len(core.tree.carriages()) == 1


def test_a_relayed_stream_cannot_be_produced_with_its_own_epoch(core: Core) -> None:
    core.relay()
    with pytest.raises(LocalError):
        core.tree.produced(P, 0, core.now)


def test_a_stream_that_is_relayed_or_unknown_cannot_be_unproduced(core: Core) -> None:
    core.relay()
    core.tree.unproduced(P, core.now)
    core.tree.unproduced(Q, core.now)
    assert core.actions() == []
    assert core.tree.carriage(P) is not None


def test_a_viewer_is_redirected_to_carriers_with_room_for_viewers() -> None:
    core = Core(slots=3)
    core.own()
    core.feed(1, room=0)
    core.feed(2, room=1)
    core.feed(3, room=5)
    assert [contact.url for contact in core.tree.redirect_candidates(P, core.now)] == ["http://n3"]
    assert core.tree.redirect_candidates(Q, core.now) == []


def test_redirected_viewers_are_spread_by_debits() -> None:
    core = Core(slots=2)
    core.own()
    core.feed(1, room=2)
    core.feed(2, room=1)
    first = [core.tree.redirect_candidates(P, core.now)[0].node for _ in range(3)]
    assert sorted(first) == sorted([node(1), node(1), node(2)])
    assert core.tree.redirect_candidates(P, core.now) == []


def test_a_relay_knows_its_owner(core: Core) -> None:
    assert core.tree.owner_of(P) is None
    core.asks_owner(1)
    assert core.tree.owner_of(P) == record(1).contact


def test_links_are_in_use_while_streams_need_them(core: Core) -> None:
    core.asks_owner(1)
    core.asked_by(2)
    assert core.tree.uses_link(node(1))
    assert core.tree.uses_link(node(2))
    assert not core.tree.uses_link(node(3))


def test_a_renewed_record_of_a_peer_is_used(core: Core) -> None:
    core.own()
    core.link(1)
    core.link(1)
    assert core.actions() == []


def test_greetings_and_errors_are_not_for_the_tree(core: Core) -> None:
    core.link(1)
    for message in (Hello(b"x"), Error("malformed")):
        core.receive(1, message)
    assert core.actions() == []
    assert core.tree.counters["message_unexpected"] == 2


def test_failures_that_come_too_late_change_nothing(core: Core) -> None:
    core.relay()
    core.tree.link_failed(node(1), core.now)
    core.tree.link_failed(node(9), core.now)
    core.unlink(9)
    core.tree.pipe_lost(Q, node(1), core.now)
    assert core.actions() == []


def test_a_pipe_that_cannot_be_taken_is_left_again(core: Core) -> None:
    request = core.asks_owner().request
    core.accepted_by(1, request)
    assert any(isinstance(action, Attach) for action in core.actions())
    core.tree.pipe_lost(P, node(1), core.now)
    done = core.actions()
    assert Leave(request, P) in messages(done)
    assert Lookup(P, fresh=True) in done


_requests = st.integers(1, 4)
_numbers = st.integers(0, 4)
_nodes = st.integers(0, 6).map(node)
_records = st.sampled_from([b"forged", *(record(n).encoded for n in range(5))])
_lineages = st.lists(_numbers.map(node), min_size=1, max_size=4).map(tuple)
_producers = st.sampled_from([P, Q])
_messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(
        Consume,
        _requests,
        _producers,
        st.lists(_numbers.map(node), max_size=3).map(tuple),
        st.integers(0, 5),
        st.none() | _numbers,
        st.sampled_from(Purpose),
        epoch=st.integers(0, 3),
    ),
    st.builds(
        Accepted, _requests, _producers, _numbers, _lineages, st.integers(1, 9).map(tracks), _numbers, st.integers(0, 2)
    ),
    st.builds(
        Backups, _requests, _producers, st.lists(st.builds(Backup, _records, _numbers, _numbers), max_size=4).map(tuple)
    ),
    st.builds(Handover, _requests, _producers, st.lists(_records, max_size=3).map(tuple)),
    st.builds(Delegated, _requests, _producers, st.lists(_records, min_size=1, max_size=3).map(tuple)),
    st.builds(Refused, _requests, _producers, st.sampled_from(["busy", "not-carried", "later"])),
    st.builds(Leave, _requests, _producers),
    st.builds(Release, _requests, _producers),
    st.builds(Ended, _requests, _producers, st.sampled_from(["unpublished", "lost", "later"])),
    st.builds(
        Report,
        _requests,
        _producers,
        _numbers,
        _numbers,
        _numbers,
        _numbers,
        st.lists(st.builds(ReportedCandidate, _nodes, _numbers, _numbers, _numbers, _numbers), max_size=3).map(tuple),
        st.lists(_records, max_size=3).map(tuple),
    ),
    st.builds(Lineage, _requests, _producers, _numbers, _lineages),
    st.builds(Tree, _requests, _producers, st.integers(0, 16), st.integers(0, 3000)),
    st.builds(TreeReply, _requests, _producers, st.just(())),
)
_steps = st.lists(
    st.one_of(
        st.tuples(st.just("message"), st.integers(1, 4), _messages),
        st.tuples(st.sampled_from(["link", "unlink", "failed"]), st.integers(1, 4), st.none()),
        st.tuples(
            st.sampled_from(["want", "release", "produce", "unproduce", "lost", "tree", "flowing", "superseded"]),
            _numbers,
            _producers,
        ),
        st.tuples(st.just("silent"), st.integers(1, 4), st.none()),
        st.tuples(st.sampled_from(["drain", "undrain"]), st.none(), st.none()),
        st.tuples(st.just("owner"), st.none() | _numbers, _producers),
        st.tuples(st.just("time"), st.integers(1, 100), st.none()),
    ),
    max_size=40,
)


class _SmallRequests(Core):
    """Its request ids are small, so that random answers fit them now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.tree._state.rng.getrandbits = lambda bits: 1 + int(4 * self.tree._state.rng.random())  # type: ignore[method-assign]


def _step(core: Core, kind: str, what: object, more: object) -> None:
    tree, now = core.tree, core.now
    match kind, what, more:
        case "message", int(number), message:
            core.receive(number, message)  # type: ignore[arg-type]
        case "link", int(number), _:
            core.link(number)
        case "unlink", int(number), _:
            core.unlink(number)
        case "failed", int(number), _:
            tree.link_failed(node(number), now)
        case "time", int(tenths), _:
            core.advance(tenths / 10)
        case "want", number, producer:
            core.want(producer, f"v{number}")  # type: ignore[arg-type]
        case "release", number, producer:
            core.release(producer, f"v{number}")  # type: ignore[arg-type]
        case "produce", int(epoch), producer:
            with suppress(LocalError):
                tree.produced(producer, epoch, now)  # type: ignore[arg-type]
        case "superseded", int(epoch), producer:
            tree.superseded(producer, epoch, now)  # type: ignore[arg-type]
        case "flowing", int(number), producer:
            tree.pipe_flowing(producer, node(number), now)  # type: ignore[arg-type]
        case "silent", int(number), _:
            tree.parent_silent(node(number), now)
        case "drain", _, _:
            tree.drain(now)
        case "undrain", _, _:
            tree.undrain(now)
        case "unproduce", _, producer:
            tree.unproduced(producer, now)  # type: ignore[arg-type]
        case "lost", _, producer:
            tree.pipe_lost(producer, node(what), now)  # type: ignore[arg-type]
        case "tree", _, producer:
            tree.tree(producer, now)  # type: ignore[arg-type]
        case "owner", number, producer:
            core.owned_by(number, producer)  # type: ignore[arg-type]


@settings(deadline=None, max_examples=200)
@given(_steps)
def test_nothing_that_happens_in_any_order_breaks_an_invariant(steps: list[tuple[str, object, object]]) -> None:
    core = _SmallRequests()
    attached: set[object] = set()
    ranks: dict[UUID, int] = {}
    for kind, what, more in steps:
        _step(core, kind, what, more)
        for action in core.actions():
            if isinstance(action, Attach):
                attached.add(action.producer)
            elif isinstance(action, Detach):
                attached.discard(action.producer)
        load, carriages = core.tree.load, core.tree.carriages()
        assert load.viewers + load.children <= 3
        assert load.children == sum(len(carriage.children) for carriage in carriages)
        assert attached >= {carriage.producer for carriage in carriages if carriage.parent is not None}
        assert all(carriage.parent is not None for carriage in carriages if carriage.coming is not None)
        for carriage in carriages:
            before = ranks.get(carriage.producer)
            assert before is None or not carriage.children or carriage.rank <= before, "no rank rises above children"
        ranks = {carriage.producer: carriage.rank for carriage in carriages if carriage.children}
        assert all(carriage.fed or carriage.producer in core.tree._state.pulls for carriage in carriages)
        assert all(core.me not in carriage.lineage[:-1] for carriage in carriages)
    for producer in (P, Q):
        for number in range(5):
            core.release(producer, f"v{number}")
        core.tree.unproduced(producer, core.now)
    core.tree.undrain(core.now)
    core.advance(60)
    core.actions()
    assert core.tree.pending() == 0
