"""The tree as an SVG."""

from xml.etree import ElementTree

from swarm.simulate.picture import draw
from swarm.simulate.run import simulate
from swarm.simulate.scenario import SCENARIOS

_SVG = "{http://www.w3.org/2000/svg}"


def test_every_carrier_is_drawn_and_every_pipe() -> None:
    world, producers, result = simulate(SCENARIOS["small"])
    picture = ElementTree.fromstring(draw(world, producers[0]))
    carriers = result["tree"]["carriers"]
    assert len(picture.findall(f"{_SVG}circle/{_SVG}title")) == carriers
    assert len(picture.findall(f"{_SVG}path")) == carriers - 1


def test_a_stream_that_nobody_carries_has_an_empty_picture() -> None:
    world, producers, _ = simulate(SCENARIOS["small"].with_changes({"viewers": 0, "seconds": 3.0}))
    world.unpublish(producers[0])
    assert ElementTree.fromstring(draw(world, producers[0])).findall(f"{_SVG}path") == []
