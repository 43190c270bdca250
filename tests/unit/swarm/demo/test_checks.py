"""The demo passes only when all that it promises was seen."""

from typing import Any

from swarm.client.watch import Watched
from swarm.demo.checks import Verdict, Viewed, verdicts

NODES = {
    "seed": {"id": "aa", "decoders": 0},
    "owner": {"id": "bb", "decoders": 0},
    "first": {"id": "cc", "decoders": 0},
}


def chain(*ids: str) -> dict[str, Any]:
    carrier: dict[str, Any] = {}
    for node in reversed(ids):
        carrier = {"node": node, "children": [carrier] if carrier else []}
    return {"root": carrier}


def viewed(pictures: int = 150, grown: int = 150, sounding: int = 250) -> Viewed:
    before = Watched(frames=10, counters=10, counter=9, audio_frames=10, sounding=10)
    after = Watched(frames=10 + pictures, counters=10 + pictures, counter=9 + grown)
    after.audio_frames, after.sounding = 260, 10 + sounding
    return Viewed("first", before, after)


def failed(found: list[Verdict]) -> list[str]:
    return [verdict.what for verdict in found if not verdict.passed]


def test_a_swarm_in_which_all_is_well_passes() -> None:
    found = verdicts([viewed()], NODES, chain("bb", "cc", "aa"))
    assert failed(found) == []
    assert found[-1].found == "owner → first → seed"


def test_a_picture_that_hangs_fails() -> None:
    assert failed(verdicts([viewed(grown=0)], NODES, chain("bb", "cc", "aa"))) == [
        "pictures move at the viewer of first"
    ]
    assert failed(verdicts([viewed(pictures=3)], NODES, chain("bb", "cc", "aa")))


def test_silence_fails() -> None:
    assert failed(verdicts([viewed(sounding=0)], NODES, chain("bb", "cc", "aa"))) == [
        "sound is heard at the viewer of first"
    ]


def test_a_node_that_decodes_fails() -> None:
    nodes = NODES | {"owner": {"id": "bb", "decoders": 1}}
    assert failed(verdicts([viewed()], nodes, chain("bb", "cc", "aa"))) == ["node owner decodes nothing"]


def test_a_node_that_does_not_say_whether_it_decodes_fails() -> None:
    assert failed(verdicts([], {"owner": {"id": "bb"}}, chain("bb", "cc", "aa"))) == ["node owner decodes nothing"]


def test_a_flat_tree_fails() -> None:
    flat = {"root": {"node": "bb", "children": [{"node": "cc", "children": []}, {"node": "aa"}]}}
    assert failed(verdicts([viewed()], NODES, flat)) == ["a relay is fed by a relay"]


def test_no_tree_at_all_fails() -> None:
    assert failed(verdicts([viewed()], NODES, {})) == ["a relay is fed by a relay"]


def test_one_deep_branch_is_enough() -> None:
    tree = chain("bb", "cc", "aa")
    tree["root"]["children"].insert(0, {"node": "dd", "children": []})
    assert failed(verdicts([viewed()], NODES, tree)) == []
