"""One search for a carrier: nobody is asked twice, and the search ends."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation import limits
from swarm.record import Contact
from swarm.tree.pull import Pull
from tests.unit.swarm.tree.relay_core import P, node, record


@pytest.fixture
def pull() -> Pull:
    return Pull(P, fresh=False)


def _contacts(*numbers: int) -> list[Contact]:
    return [record(number).contact for number in numbers]


def test_candidates_of_the_last_carrier_come_first(pull: Pull) -> None:
    pull.delegate(_contacts(1, 2))
    assert pull.next_target(()) == record(1).contact
    pull.delegate(_contacts(3, 4))
    assert [target.node for _ in range(3) if (target := pull.next_target(()))] == [node(3), node(4), node(2)]
    assert pull.next_target(()) is None


def test_excluded_nodes_are_not_asked(pull: Pull) -> None:
    pull.delegate(_contacts(1, 2))
    assert pull.next_target({node(1)}) == record(2).contact


def test_only_the_one_asked_may_answer_and_only_this_question(pull: Pull) -> None:
    pull.delegate(_contacts(1))
    pull.next_target(())
    assert not pull.answers(node(1), 7), "not asked yet"
    pull.consume(node(1), 7, None)
    assert pull.answers(node(1), 7)
    assert not pull.answers(node(1), 8)
    assert not pull.answers(node(2), 7)


def test_beginning_anew_forgets_whom_it_asked(pull: Pull) -> None:
    pull.delegate(_contacts(1, 2))
    pull.next_target(())
    pull.asks.clear()
    pull.restart(fresh=True)
    assert (pull.fresh, pull.tried, pull.delegations, len(pull.queue)) == (True, [], 0, 0)


def test_who_is_asked_while_it_begins_anew_is_not_asked_beside_that(pull: Pull) -> None:
    pull.delegate(_contacts(1, 2))
    pull.next_target(())
    pull.restart(fresh=True)
    pull.delegate(_contacts(1, 2))
    assert pull.next_target(()) == record(2).contact


def test_so_many_are_asked_at_a_time_and_the_slow_do_not_count(pull: Pull) -> None:
    pull.delegate(_contacts(1, 2))
    assert pull.may_ask()
    pull.next_target(())
    assert not pull.may_ask()
    pull.asks[node(1)].slow = True
    assert pull.may_ask()


@settings(deadline=None, max_examples=200)
@given(st.lists(st.lists(st.integers(1, 60), min_size=1, max_size=3), max_size=60))
def test_no_node_is_asked_twice_and_the_search_ends(delegations: list[list[int]]) -> None:
    pull, asked = Pull(P, fresh=True), []
    pull.queue.append(record(0).contact)
    answers = iter(delegations)
    while (target := pull.next_target(())) is not None:
        asked.append(target.node)
        consume = pull.consume(target.node, 1, None)
        del pull.asks[target.node]
        assert len(consume.tried) <= limits.tried_nodes_max
        assert consume.delegations <= limits.delegations_max
        candidates = next(answers, None)
        if candidates is not None and not pull.delegate(_contacts(*candidates)):
            break
    assert len(asked) == len(set(asked)) <= limits.tried_nodes_max
