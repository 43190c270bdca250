import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dht.lookup import DOUBTERS, GRACE_SECONDS, PARALLEL, PARALLEL_MAX, REPLICAS, Lookup
from dht.peer import Peer, distance
from foundation.limits import lookup_candidates_max, lookup_queries_max, lookup_seconds_max

OWN = b"o" * 20
TARGET = bytes(20)
HEDGE = 0.1


def peer(number: int) -> Peer:
    """The higher the number the farther from the target."""
    return Peer(number.to_bytes(20, "big"), ("192.0.2.1", number % 65535 + 1))


def lookup(known: list[Peer], *, for_value: bool = False, now: float = 0.0) -> Lookup:
    return Lookup(TARGET, OWN, known, for_value=for_value, hedge_seconds=HEDGE, now=now)


def ask_all(core: Lookup, now: float = 0.0) -> list[Peer]:
    """Runs the lookup to its end, everybody answering at once that they know nobody."""
    asked = []
    while not core.done(now):
        for chosen in core.to_ask(now):
            asked.append(chosen)
            core.answered(chosen.id, [])
    return asked


def test_a_lookup_that_knows_nobody_is_done() -> None:
    core = lookup([])
    assert core.done(0.0)
    assert core.to_ask(0.0) == []
    assert core.nearest() == []


def test_the_nearest_are_asked_first_and_three_at_once() -> None:
    core = lookup([peer(n) for n in (9, 5, 1, 7, 3)])
    assert core.to_ask(0.0) == [peer(1), peer(3), peer(5)]
    assert core.to_ask(0.0) == []


def test_a_reader_hears_a_whole_bucket_before_it_gives_up() -> None:
    known = [peer(n) for n in range(1, 41)]
    assert len(ask_all(lookup(known, for_value=True))) == DOUBTERS
    assert len(ask_all(lookup(known))) == REPLICAS


def test_liars_that_name_only_each_other_do_not_hide_a_lease() -> None:
    """Eight of them are nearer than the one that holds it, which is among the twenty nearest that were heard of."""
    liars, holder = [peer(n) for n in range(1, 13)], peer(20)
    core = lookup([*liars[4:], holder], for_value=True)
    found = False
    while not core.done(0.0):
        for chosen in core.to_ask(0.0):
            core.answered(chosen.id, [] if chosen == holder else liars)
            if chosen == holder:
                found = True
                core.value_found(0.0)
    assert found


def test_one_answer_makes_room_for_one_question() -> None:
    core = lookup([peer(n) for n in range(1, 9)])
    core.to_ask(0.0)
    core.answered(peer(2).id, [])
    assert core.to_ask(0.01) == [peer(4)]


def test_one_failure_makes_room_for_two_questions() -> None:
    core = lookup([peer(n) for n in range(1, 9)])
    core.to_ask(0.0)
    core.failed(peer(2).id)
    assert core.to_ask(0.01) == [peer(4), peer(5)]


def test_a_reader_asks_four_at_once_and_five_once_it_heard_somebody() -> None:
    core = lookup([peer(n) for n in range(1, 20)], for_value=True)
    assert len(core.to_ask(0.0)) == PARALLEL + 1
    core.answered(peer(1).id, [])
    assert core.to_ask(0.01) == [peer(5), peer(6)]


def test_however_many_are_silent_the_questions_at_once_are_bounded() -> None:
    core = lookup([peer(n) for n in range(1, 100)])
    for round_ in range(4):
        asked = core.to_ask(round_ * HEDGE)
    assert len(asked) == PARALLEL_MAX


def test_a_node_that_was_slow_and_is_dead_counts_once() -> None:
    core = lookup([peer(n) for n in range(1, 20)])
    core.to_ask(0.0)
    assert len(core.to_ask(HEDGE)) == 2 * PARALLEL
    core.failed(peer(1).id)
    core.failed(peer(1).id)
    assert core.to_ask(HEDGE + 0.01) == []


def test_a_lookup_counts_the_steps_from_what_we_knew() -> None:
    core = lookup([peer(50)])
    assert core.steps == 0
    for known, named in ((50, 40), (40, 30), (30, 30)):
        (asked,) = core.to_ask(0.0)
        assert asked == peer(known)
        core.answered(asked.id, [peer(named)])
    assert core.steps == 3


def test_a_slow_node_is_passed_by_after_the_hedge() -> None:
    core = lookup([peer(n) for n in range(1, 20)])
    core.to_ask(0.0)
    assert core.timeout(0.0) == HEDGE
    assert core.to_ask(HEDGE) == [peer(n) for n in range(4, 10)]


def test_nearer_nodes_that_are_heard_of_are_asked_next() -> None:
    core = lookup([peer(50), peer(60), peer(70), peer(80)])
    core.to_ask(0.0)
    core.answered(peer(60).id, [peer(2), peer(90)])
    assert core.to_ask(0.0) == [peer(2)]


def test_a_lookup_ends_when_the_nearest_eight_have_answered() -> None:
    core = lookup([peer(n) for n in range(1, 30)])
    assert ask_all(core) == [peer(n) for n in range(1, REPLICAS + 1)]
    assert core.nearest() == [peer(n) for n in range(1, REPLICAS + 1)]


def test_in_a_small_swarm_it_ends_when_all_have_answered() -> None:
    core = lookup([peer(1), peer(2)])
    assert len(ask_all(core)) == 2
    assert core.nearest() == [peer(1), peer(2)]


def test_a_writer_does_not_wait_for_slow_nodes_when_eight_others_answered() -> None:
    core = lookup([peer(n) for n in range(1, 30)])
    slow = core.to_ask(0.0)
    for chosen in ask_all(core, HEDGE):
        assert chosen not in slow
    assert core.nearest() == [peer(n) for n in range(4, 12)]


def test_a_reader_waits_for_slow_nodes_before_it_says_no() -> None:
    core = lookup([peer(n) for n in range(1, 30)], for_value=True)
    slow = core.to_ask(0.0)
    while chosen := core.to_ask(HEDGE):
        for other in chosen:
            core.answered(other.id, [])
    assert not core.done(HEDGE)
    for late in slow:
        core.answered(late.id, [])
    assert core.done(HEDGE)


def test_two_values_are_enough() -> None:
    core = lookup([peer(n) for n in range(1, 30)], for_value=True)
    core.to_ask(0.0)
    core.value_found(0.01)
    assert not core.done(0.01)
    core.value_found(0.02)
    assert core.done(0.02)


def test_one_value_is_enough_after_the_grace() -> None:
    core = lookup([peer(n) for n in range(1, 30)], for_value=True)
    core.to_ask(0.0)
    core.value_found(0.01)
    assert core.timeout(0.01) == 0.01 + GRACE_SECONDS
    assert not core.done(0.05)
    assert core.done(0.01 + GRACE_SECONDS)


def test_a_value_of_our_own_waits_for_one_answer() -> None:
    core = lookup([peer(n) for n in range(1, 30)], for_value=True)
    core.value_held(0.0)
    core.to_ask(0.0)
    assert not core.done(GRACE_SECONDS)
    assert core.done(HEDGE + GRACE_SECONDS)
    core.value_found(0.08)
    assert core.done(0.08)


def test_a_lookup_ends_at_its_deadline() -> None:
    core = lookup([peer(n) for n in range(1, 30)], now=10.0)
    core.to_ask(10.0)
    assert not core.done(11.4)
    assert core.done(10.0 + lookup_seconds_max)


def test_nobody_is_asked_twice_and_never_ourselves() -> None:
    core = lookup([peer(1), Peer(OWN, ("192.0.2.1", 5)), peer(1)])
    assert core.to_ask(0.0) == [peer(1)]
    core.answered(peer(1).id, [peer(1), Peer(OWN, ("192.0.2.1", 5))])
    assert core.done(0.0)


def test_dead_nodes_make_place_for_the_next_nearest() -> None:
    core = lookup([peer(n) for n in range(1, 30)])
    for dead in core.to_ask(0.0):
        core.failed(dead.id)
    ask_all(core)
    assert core.nearest() == [peer(n) for n in range(4, 12)]


def test_a_node_that_invents_ever_nearer_ones_is_asked_a_bounded_number_of_times() -> None:
    rng = random.Random(1)
    core, number = lookup([peer(2**100)]), 2**99
    while not core.done(0.0):
        for chosen in core.to_ask(0.0):
            number -= rng.randrange(2**80)
            core.answered(chosen.id, [peer(number - n) for n in range(20)])
    assert core.queries == lookup_queries_max
    assert len(core._candidates) <= lookup_candidates_max


@pytest.mark.parametrize("stranger", [b"", bytes(20), b"x" * 20])
def test_an_answer_from_nobody_we_asked_changes_nothing(stranger: bytes) -> None:
    core = lookup([peer(1)])
    core.answered(stranger, [])
    core.failed(stranger)
    assert core.to_ask(0.0) == [peer(1)]


@given(st.integers(2, 60), st.floats(0, 0.9), st.booleans(), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=150)
def test_every_lookup_ends_in_time_and_finds_the_nearest_living(
    count: int, dead_share: float, for_value: bool, rng: random.Random
) -> None:
    peers = [Peer(bytes([n]) + rng.randbytes(19), ("192.0.2.1", n + 1)) for n in rng.sample(range(256), count)]
    dead = {each.id for each in peers if rng.random() < dead_share}
    core = lookup(rng.sample(peers, min(8, count)), for_value=for_value)
    now, answers = 0.0, []
    while not core.done(now):
        asked = core.to_ask(now)
        answers += [(now + (0.5 if each.id in dead else rng.uniform(0.01, 0.08)), each) for each in asked]
        answers.sort()
        wake = core.timeout(now)
        assert wake > now
        if answers and answers[0][0] <= wake:
            now, each = answers.pop(0)
            if each.id in dead:
                core.failed(each.id)
            else:
                core.answered(each.id, peers)
        else:
            now = wake
    assert now <= lookup_seconds_max
    living = sorted((each for each in peers if each.id not in dead), key=lambda each: distance(each.id, TARGET))
    if dead_share < 0.3 and len(living) >= REPLICAS and len(core.nearest()) == REPLICAS:
        assert core.nearest() == living[:REPLICAS]
    assert core.queries <= lookup_queries_max
