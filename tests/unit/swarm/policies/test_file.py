"""A user's own placement policy, read from a file."""

from dataclasses import replace
from pathlib import Path

import pytest

from foundation.errors import ConfigError
from swarm.config import Config
from swarm.policies.file import load_policy
from swarm.policy import Candidate, DefaultPolicy, Load
from tests.unit.swarm.tree.relay_core import record

EXAMPLE = Path(__file__).parents[4] / "examples" / "policy_by_region.py"

CLASS = """
from swarm.policy import DefaultPolicy

class policy(DefaultPolicy):
    def __init__(self, config):
        super().__init__(config.max_consumers)
"""


def written(tmp_path: Path, text: str | bytes) -> str:
    path = tmp_path / "mine.py"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def with_method(text: str) -> str:
    return CLASS + "\n".join("    " + line for line in text.splitlines()) + "\n"


def refusal(path: str) -> str:
    with pytest.raises(ConfigError) as refused:
        load_policy(path, Config())
    text = str(refused.value)
    assert path in text
    assert "\n" not in text
    return text


def test_a_class_that_changes_one_method_is_a_policy(tmp_path: Path) -> None:
    path = written(tmp_path, with_method("def soft_room(self, load):\n    return min(3, self.room(load, False))"))
    policy = load_policy(path, Config(max_consumers=100))
    assert policy.soft_room(Load(0, 0)) == 3
    assert policy.room(Load(0, 0), for_relay=True) == 100


def test_a_function_that_makes_one_is_a_policy(tmp_path: Path) -> None:
    path = written(tmp_path, "from swarm.policy import DefaultPolicy\ndef policy(config): return DefaultPolicy(7)\n")
    assert load_policy(path, Config()).room(Load(0, 0), for_relay=True) == 7


def test_dataclasses_work_in_a_policy_file(tmp_path: Path) -> None:
    text = (
        "from __future__ import annotations\nimport dataclasses\n@dataclasses.dataclass\nclass Mine:\n    x: int = 1\n"
    )
    load_policy(written(tmp_path, text + CLASS), Config())


def test_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    load_policy(written(tmp_path, "left_over = 1\n" + CLASS), Config())
    assert "left_over" in refusal(written(tmp_path, CLASS + "left_over\n"))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    refusal(str(tmp_path / "missing.py"))
    refusal(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("x = 1\ndef policy(:\n", 2, "syntax"),
        ("import nothing_of_this_name\n", 1, "nothing_of_this_name"),
        ("\n\n1 / 0\n", 3, "ZeroDivisionError"),
        ("raise SystemExit(3)\n", 1, "SystemExit"),
        ("def policy(config):\n    return config.no_such\n", 2, "no_such"),
        (with_method("def room(self, load, for_relay):\n    return load.nothing"), 8, "nothing"),
    ],
)
def test_a_broken_file_is_refused_with_line_and_reason(text: str, line: int, reason: str, tmp_path: Path) -> None:
    refused = refusal(written(tmp_path, text))
    assert f"line {line}:" in refused
    assert reason in refused


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "policy(config)"),
        ("policy = 3\n", "policy(config)"),
        ("def policy(): pass\n", "argument"),
        ("def policy(config): return None\n", "no method busy"),
        ("class policy:\n    def __init__(self, config): self.room = 3\n    def busy(self): ...\n", "no method room"),
        (with_method("rank = None"), "no method rank"),
        (with_method("def room(self, load): return 1"), "argument"),
        (with_method("def busy(self, load, for_relay): return 0"), "True or False"),
        (with_method("def busy(self, load, for_relay): return True"), "busy says otherwise"),
        (with_method("def room(self, load, for_relay): return 1.5"), "int"),
        (with_method("def room(self, load, for_relay): return -1"), "0 or more"),
        (with_method("def soft_room(self, load): return None"), "int"),
        (with_method("def children_room(self, load, children, owned): return True"), "int"),
        (with_method("def rank(self, candidates, for_relay, region=''): return None"), "list"),
        (with_method("def rank(self, candidates, for_relay, region=''): return candidates * 2"), "twice"),
        (with_method("def rank(self, candidates, for_relay, region=''): return [1]"), "none of the candidates"),
        (b"\xff\xfe\x00", ""),
        (b"x = 1\0\n", ""),
        (b"#" * (1 << 20) + b"\n", "bytes"),
    ],
)
def test_what_is_no_policy_is_refused_with_its_reason(text: str | bytes, reason: str, tmp_path: Path) -> None:
    assert reason in refusal(written(tmp_path, text))


def test_the_example_serves_the_askers_region_first_and_keeps_half_for_relays() -> None:
    policy = load_policy(str(EXAMPLE), Config(max_consumers=100, region="eu"))
    assert isinstance(policy, DefaultPolicy)
    assert policy.room(Load(0, 0), for_relay=False) == 50
    assert policy.room(Load(50, 0), for_relay=False) == 0
    assert policy.room(Load(50, 0), for_relay=True) == 50

    def carrier(number: int, rank: int, room: int, region: str) -> Candidate:
        return Candidate(replace(record(number), region=region), rank, room, room)

    far, near, full = carrier(1, 1, 9, "us"), carrier(2, 3, 1, "eu"), carrier(3, 1, 0, "eu")
    for for_relay in (False, True):
        assert policy.rank([far, full, near], for_relay) == [near, far, full]
        assert policy.rank([near, far], for_relay, region="us") == [far, near]
