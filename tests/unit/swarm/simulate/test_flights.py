"""What of a wait was the network's."""

from swarm.simulate.flights import Flights


def test_answers_that_are_on_their_way_together_count_once() -> None:
    flights = Flights()
    flights.begin("a", 1.0)
    flights.begin("b", 1.5)
    flights.end("a", 2.0)
    flights.end("b", 3.0)
    assert flights.within(0.0, 10.0) == 2.0
    assert flights.within(1.75, 2.5) == 0.75


def test_an_answer_that_never_came_is_no_excuse() -> None:
    flights = Flights()
    flights.begin("a", 1.0)
    flights.end("a", 2.0, answered=False)
    assert flights.within(0.0, 10.0) == 0.0
