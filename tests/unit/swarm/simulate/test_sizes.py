"""Bytes of control messages, counted without encoding each."""

from swarm.messages import Message
from swarm.simulate.course import Course
from swarm.simulate.host import Host
from swarm.simulate.scenario import SCENARIOS
from swarm.simulate.sizes import size
from swarm.simulate.world import START, World
from swarm.wire import encode


def test_the_sizes_of_all_messages_of_a_swarm_are_those_of_their_encodings() -> None:
    world = World(SCENARIOS["small"].with_changes({"kill": 0.2, "kill_at": 15.0}))
    messages: list[Message] = []

    def collect(sender: Host, receiver: Host, message: Message) -> None:
        messages.append(message)

    world.network.on_message = collect
    Course(world).plan()
    world.events.run_until(START + 30)
    assert len(messages) > 200
    errors = [size(message) - len(encode(message)) for message in messages]
    assert max(map(abs, errors)) <= 16
    assert abs(sum(errors)) <= 0.02 * sum(len(encode(message)) for message in messages)
