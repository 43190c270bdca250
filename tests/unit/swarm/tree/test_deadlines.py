"""Named deadlines, compared to a plain dict."""

from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.tree.deadlines import Deadlines


def test_keys_come_out_in_the_order_of_their_times() -> None:
    deadlines = Deadlines()
    for key, at in (("b", 2.0), ("a", 1.0), ("c", 3.0)):
        deadlines.set(key, at)
    assert deadlines.pop_due(0.9) is None
    assert [deadlines.pop_due(2.0) for _ in range(3)] == ["a", "b", None]
    assert deadlines.next() == 3.0


def test_a_moved_deadline_is_due_only_at_its_new_time() -> None:
    deadlines = Deadlines()
    deadlines.set("a", 1.0)
    deadlines.set("a", 2.0)
    assert deadlines.pop_due(1.5) is None
    assert deadlines.pop_due(2.0) == "a"
    assert len(deadlines) == 0


def test_a_cleared_deadline_never_comes() -> None:
    deadlines = Deadlines()
    deadlines.set("a", 1.0)
    deadlines.clear("a")
    deadlines.clear("never set")
    assert "a" not in deadlines
    assert deadlines.next() is None
    assert deadlines.pop_due(9.0) is None


def test_advancing_never_delays() -> None:
    deadlines = Deadlines()
    deadlines.advance("a", 2.0)
    deadlines.advance("a", 3.0)
    assert deadlines.next() == 2.0
    deadlines.advance("a", 1.0)
    assert deadlines.next() == 1.0


def test_a_deadline_that_is_moved_for_ever_needs_no_memory() -> None:
    deadlines = Deadlines()
    for step in range(10_000):
        deadlines.set("a", float(step))
    assert len(deadlines._heap) < 100


_steps = st.lists(
    st.tuples(st.sampled_from(["set", "clear", "advance", "due"]), st.integers(0, 5), st.integers(0, 20)), max_size=60
)


@settings(deadline=None, max_examples=200)
@given(_steps)
def test_it_behaves_as_a_dict_of_times(steps: list[tuple[str, int, int]]) -> None:
    deadlines, model = Deadlines(), dict[int, float]()
    for action, key, at in steps:
        if action == "set":
            deadlines.set(key, at)
            model[key] = at
        elif action == "advance":
            deadlines.advance(key, at)
            model[key] = min(at, model.get(key, at))
        elif action == "clear":
            deadlines.clear(key)
            model.pop(key, None)
        else:
            popped = deadlines.pop_due(at)
            due = [other for other, other_at in model.items() if other_at <= at]
            assert (popped is None) == (not due)
            if due:
                assert isinstance(popped, int)
                earliest = min(model.values())
                assert model.pop(popped) == earliest
        assert deadlines.next() == (min(model.values()) if model else None)
        assert len(deadlines) == len(model)
