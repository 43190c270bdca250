"""A load process answers each command with one line; here it is a small program."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from foundation.errors import RemoteError
from swarm.bench.crew import crew
from swarm.bench.nodes import node

Program = Callable[[str], None]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Program:
    """Replaces the processes that are started by a Python program."""

    def is_now(text: str) -> None:
        work, script = tmp_path / "work.py", tmp_path / "python"
        work.write_text("import json, sys\n" + text)
        script.write_text(f'#!/bin/sh\nexec {sys.executable} {work} "$@"\n')
        script.chmod(0o755)
        monkeypatch.setattr("swarm.process.child.sys.executable", str(script))

    return is_now


async def test_a_call_has_the_answer_of_its_command(program: Program) -> None:
    program("for line in sys.stdin: print(json.dumps({'got': json.loads(line)}), flush=True)")
    async with crew() as running:
        assert await running.call("send", seconds=1) == {"got": {"do": "send", "seconds": 1}}
        assert running.cpu_seconds() > 0


async def test_what_a_load_process_complains_of_is_raised(program: Program) -> None:
    program("for line in sys.stdin: print(json.dumps({'error': '503 from the node'}), flush=True)")
    async with crew() as running:
        with pytest.raises(RemoteError, match="503 from the node"):
            await running.call("join")


async def test_a_load_process_that_ends_is_told(program: Program) -> None:
    program("sys.stdin.readline()")
    async with crew() as running:
        for _ in range(2):
            with pytest.raises(RemoteError, match="load process"):
                await running.call("join")
    with pytest.raises(RemoteError, match="has ended"):
        running.cpu_seconds()


async def test_a_node_that_does_not_start_is_told(program: Program) -> None:
    program("print('nothing')")
    with pytest.raises(RemoteError, match="ended before it said where it listens"):
        async with node():
            pass
