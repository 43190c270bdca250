"""The swarm key's file, and the three steps in which a swarm changes its key."""

import itertools
import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foundation.errors import ConfigError
from foundation.identity import swarm_origin
from swarm import swarm_key
from swarm.swarm_key import SwarmKey, load_swarm_key, make_swarm_key, rotate_swarm_key

KEY, NEW = b"\xab" * 32, b"\xcd" * 32
PLAIN = "ab" * 32
ORIGIN = swarm_origin(KEY).hex()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "swarm.key"
    path.touch(0o600)
    return path


@pytest.mark.parametrize("text", [PLAIN, PLAIN + "\n", f" {PLAIN}\r\n\n", PLAIN.upper()])
def test_a_key_is_64_hex_digits(path: Path, text: str) -> None:
    path.write_text(text)
    assert load_swarm_key(path) == SwarmKey.first(KEY)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ab" * 31,
        b"ab" * 33,
        b"xy" * 32,
        b"\xff" * 64,
        b"ab" * 1000,
        f"{PLAIN}\n{'cd' * 32}\n".encode(),
        f"current {PLAIN}\n".encode(),
        f"swarm {ORIGIN}\n".encode(),
        f"swarm {ORIGIN[:-2]}\ncurrent {PLAIN}\n".encode(),
        f"swarm {ORIGIN}\ncurrent {PLAIN[:-2]}\n".encode(),
        f"swarm {ORIGIN}\ncurrent {PLAIN}\ncurrent {PLAIN}\n".encode(),
        f"swarm {ORIGIN}\ncurrent {PLAIN}\nnext {PLAIN}\n".encode(),
        f"swarm {ORIGIN}\ncurrent {PLAIN}\nlater {'cd' * 32}\n".encode(),
        f"swarm {ORIGIN}\ncurrent {PLAIN}\nnext {'cd' * 32}\nformer {'ef' * 32}\n".encode(),
        f"swarm {ORIGIN}\ncurrent {PLAIN} more\n".encode(),
    ],
)
def test_a_file_that_is_no_swarm_key_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="swarmd keygen"):
        load_swarm_key(path)


@given(st.binary(max_size=600) | st.lists(st.sampled_from([PLAIN, ORIGIN, "swarm", "next", " ", "\n"])).map("".join))
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_is_a_key_or_refused(path: Path, content: bytes | str) -> None:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        assert len(load_swarm_key(path).current) == 32
    except ConfigError as refused:
        assert "\n" not in str(refused)  # noqa: PT017


def test_a_file_that_others_may_read_or_nobody_has_is_refused(path: Path) -> None:
    path.write_text(PLAIN)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_swarm_key(path)
    path.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        load_swarm_key(path)


def test_the_steps_of_a_change() -> None:
    steps = [SwarmKey.first(KEY)]
    while len(steps) < 4:
        steps.append(steps[-1].step(lambda: NEW))
    origin = swarm_origin(KEY)
    assert steps[1:] == [
        SwarmKey(origin, KEY, next=NEW),
        SwarmKey(origin, NEW, former=KEY),
        SwarmKey(origin, NEW),
    ]


def test_nodes_one_step_apart_accept_what_the_other_says() -> None:
    steps = [SwarmKey.first(KEY)]
    for number in range(6):
        steps.append(steps[-1].step(lambda number=number: bytes([number]) * 32))  # type: ignore[misc]
    for one, other in itertools.pairwise(steps):
        assert one.origin == other.origin
        assert one.current in (other.current, other.other)
        assert other.current in (one.current, one.other)


def test_a_file_goes_through_the_steps_and_stays_private(path: Path) -> None:
    path.write_text(PLAIN)
    before = load_swarm_key(path)
    told = [rotate_swarm_key(path) for _ in range(3)]
    assert [line[:11] for line in told] == ["Step 1 of 3", "Step 2 of 3", "Step 3 of 3"]
    after = load_swarm_key(path)
    assert after.origin == before.origin
    assert after.current != before.current
    assert after.other is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_step_that_cannot_be_written_leaves_the_file_of_before(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(PLAIN)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(swarm_key.os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left"):
        rotate_swarm_key(path)
    assert path.read_text() == PLAIN
    assert list(path.parent.iterdir()) == [path]


def test_a_new_key_never_replaces_a_file(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--rotate"):
        make_swarm_key(path)
    make_swarm_key(tmp_path / "another")
    assert stat.S_IMODE(os.stat(tmp_path / "another").st_mode) == 0o600


def test_no_secret_stands_in_what_is_printed_of_a_key() -> None:
    printed = repr(SwarmKey(swarm_origin(KEY), KEY, next=NEW))
    assert repr(KEY) not in printed
    assert repr(NEW) not in printed
