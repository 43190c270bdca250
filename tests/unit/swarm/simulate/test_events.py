"""Virtual time."""

from swarm.simulate.events import Events


def test_events_happen_in_the_order_of_their_times() -> None:
    events, seen = Events(10.0), []
    for delay in (3.0, 1.0, 2.0):
        events.after(delay, seen.append, delay)
    events.run_until(12.5)
    assert seen == [1.0, 2.0]
    assert events.now == 12.5
    assert len(events) == 1


def test_events_of_one_moment_happen_in_the_order_in_which_they_were_planned() -> None:
    events, seen = Events(0.0), []
    for name in "abc":
        events.at(1.0, seen.append, name)
    events.run_until(1.0)
    assert seen == ["a", "b", "c"]


def test_what_is_planned_for_the_past_happens_now() -> None:
    events, seen = Events(5.0), []
    events.at(1.0, lambda: seen.append(events.now))
    events.run_until(5.0)
    assert seen == [5.0]
