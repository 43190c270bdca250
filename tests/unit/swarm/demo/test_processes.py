"""The demo's processes are real ones; here they are small programs in place of `swarmd`."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from foundation import limits
from foundation.errors import RemoteError
from swarm.demo.processes import Program

Swarmd = Callable[[str], None]


@pytest.fixture
def swarmd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Swarmd:
    """Replaces `python -P -m cli` by a Python program."""

    def is_now(program: str) -> None:
        script = tmp_path / "swarmd"
        script.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{program}'\n")
        script.chmod(0o755)
        monkeypatch.setattr("swarm.demo.processes.sys.executable", str(script))

    return is_now


async def test_what_a_program_prints_is_found(swarmd: Swarmd, tmp_path: Path) -> None:
    swarmd('print("hello"); print("at http://127.0.0.1:1/x", flush=True); import time; time.sleep(60)')
    program = await Program.start("node", [], tmp_path)
    assert await program.printed(r"(http://[\w.]+:\d+)") == "http://127.0.0.1:1"
    assert program.running
    await program.stop()
    assert not program.running


async def test_a_program_that_ends_before_it_is_ready_is_said_so_and_has_a_log(swarmd: Swarmd, tmp_path: Path) -> None:
    swarmd('import sys; sys.exit("swarmd: port 1 is in use")')
    program = await Program.start("node", [], tmp_path)
    with pytest.raises(RemoteError, match="node ended before it was ready"):
        await program.printed("(http)")
    assert program.log_end() == ["swarmd: port 1 is in use"]
    await program.stop()


async def test_a_program_that_is_silent_for_too_long_is_said_so(
    swarmd: Swarmd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swarmd("import time; time.sleep(60)")
    monkeypatch.setattr(limits, "demo_wait_seconds_max", 0.01)
    program = await Program.start("node", [], tmp_path)
    with pytest.raises(RemoteError, match="did not start within"):
        await program.printed("(http)")
    await program.stop()
    assert not program.running


async def test_a_program_that_does_not_listen_is_killed(
    swarmd: Swarmd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swarmd('import signal, time; signal.signal(15, signal.SIG_IGN); print("ready", flush=True); time.sleep(60)')
    monkeypatch.setattr(limits, "demo_stop_seconds_max", 0.01)
    program = await Program.start("node", [], tmp_path)
    await program.printed("(ready)")
    await program.stop()
    assert not program.running


async def test_stopping_twice_is_harmless(swarmd: Swarmd, tmp_path: Path) -> None:
    swarmd("import time; time.sleep(60)")
    program = await Program.start("node", [], tmp_path)
    await program.stop()
    await program.stop()


async def test_the_operators_own_settings_do_not_reach_the_demo(
    swarmd: Swarmd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARMD_LISTEN", "127.0.0.1:1")
    swarmd('import os; print("set:", [n for n in os.environ if n.startswith("SWARMD_")], flush=True)')
    program = await Program.start("node", [], tmp_path)
    assert await program.printed("set: (.*)") == "[]"
    await program.stop()
    assert os.environ["SWARMD_LISTEN"] == "127.0.0.1:1"
