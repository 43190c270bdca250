"""The supervisor's processes are real ones; here they are small programs in place of `swarmd`."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from foundation import process_limits as limits
from foundation.errors import ConfigError
from swarm.config import Config
from swarm.workers.supervisor import run_workers

Swarmd = Callable[[str], None]

FREE = Config(listen="127.0.0.1:0")


@pytest.fixture
def swarmd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Swarmd:
    """Replaces `python -P -m cli` by a Python program that is in `work`, and may use `serve()`."""
    begin = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_DFL)\n"
        "first = '--join' not in ' '.join(sys.argv)\n"
        "def serve():\n"
        "    print('publish  http://127.0.0.1:' + str(1000 + os.getpid() % 9000) + '/x', flush=True)\n"
    )

    def is_now(program: str) -> None:
        work = tmp_path / "work.py"
        work.write_text(begin + program)
        script = tmp_path / "swarmd"
        script.write_text(f'#!/bin/sh\nexec {sys.executable} {work} "$@"\n')
        script.chmod(0o755)
        monkeypatch.setattr("swarm.process.child.sys.executable", str(script))

    return is_now


class Said(list[str]):
    """What was reported; sends us SIGTERM when a line begins as told."""

    def __init__(self, stop_at: str) -> None:
        super().__init__()
        self.stop_at = stop_at

    def __call__(self, line: str) -> None:
        self.append(line)
        if line.startswith(self.stop_at):
            os.kill(os.getpid(), signal.SIGTERM)


async def test_all_are_announced_once_they_serve_and_sigterm_ends_them(swarmd: Swarmd) -> None:
    swarmd("serve(); time.sleep(60)")
    said = Said("workers")
    assert await run_workers(FREE, 3, "info", said) == 0
    assert [line.split()[0] for line in said] == ["publish", "watch", "join", "workers"]
    assert len(said[-1].split()) == 4


async def test_a_worker_that_cannot_start_is_one_line(swarmd: Swarmd, capfd: pytest.CaptureFixture[str]) -> None:
    swarmd("if first:\n    serve(); time.sleep(60)\nsys.exit('swarmd: port 1 is in use')")
    with pytest.raises(ConfigError, match=r"^worker 2: port 1 is in use$"):
        await run_workers(FREE, 2, "info", Said("never"))
    assert capfd.readouterr() == ("", "")


async def test_a_worker_that_ends_without_a_word_is_told_by_its_exit_code(swarmd: Swarmd) -> None:
    swarmd("sys.exit(3)")
    with pytest.raises(ConfigError, match=r"^worker 1: ended with exit code 3$"):
        await run_workers(FREE, 2, "info", Said("never"))


async def test_a_worker_that_cannot_be_kept_alive_ends_the_whole_with_exit_code_1(
    swarmd: Swarmd, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(limits, "worker_restarts_max", 1)
    monkeypatch.setattr(limits, "worker_pause_seconds_max", 0.01)
    # The second worker dies as soon as the announcement says that all serve.
    swarmd(
        f"serve()\nwhile first or not os.path.exists({str(tmp_path / 'said')!r}): time.sleep(0.01)\n"
        "sys.exit('swarmd: the disk is full')"
    )

    def report(line: str) -> None:
        if line.startswith("workers"):
            (tmp_path / "said").touch()

    assert await run_workers(FREE, 2, "info", report) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("swarmd: worker 2: the disk is full, 2 times in a row")


async def test_what_workers_write_to_stderr_is_passed_on_with_their_names(
    swarmd: Swarmd, capfd: pytest.CaptureFixture[str]
) -> None:
    swarmd("print('x' * 3, file=sys.stderr, flush=True); serve(); time.sleep(60)")
    assert await run_workers(FREE, 2, "info", Said("workers")) == 0
    assert sorted(capfd.readouterr().err.splitlines()) == ["worker 1: xxx", "worker 2: xxx"]


async def test_a_line_without_end_is_passed_on_in_pieces(swarmd: Swarmd, capfd: pytest.CaptureFixture[str]) -> None:
    swarmd("sys.stderr.write('x' * 100_000); sys.stderr.flush(); serve(); time.sleep(60)")
    assert await run_workers(FREE, 1, "info", Said("workers")) == 0
    lines = capfd.readouterr().err.splitlines()
    assert "".join(line.removeprefix("worker 1: ") for line in lines) == "x" * 100_000
    assert max(map(len, lines)) <= 2 * limits.worker_line_bytes_max + 20


async def test_workers_that_do_not_listen_are_killed(swarmd: Swarmd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "worker_stop_seconds_max", 0.2)
    swarmd("for number in (2, 15): signal.signal(number, signal.SIG_IGN)\nserve(); time.sleep(60)")
    async with asyncio.timeout(10):
        assert await run_workers(Config(listen="127.0.0.1:0", drain_seconds=0), 2, "info", Said("workers")) == 0


async def test_the_environment_sets_nothing_a_second_time(
    swarmd: Swarmd, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SWARMD_WORKERS", "2")
    swarmd("print([n for n in os.environ if 'SWARMD_' in n], file=sys.stderr, flush=True); serve(); time.sleep(60)")
    assert await run_workers(FREE, 1, "info", Said("workers")) == 0
    assert capfd.readouterr().err == "worker 1: []\n"


async def test_a_hangup_reaches_every_worker(swarmd: Swarmd, tmp_path: Path) -> None:
    swarmd(
        "import signal\n"
        f"signal.signal(signal.SIGHUP, lambda *_: open({str(tmp_path)!r} + '/' + str(os.getpid()), 'w').close())\n"
        "serve()\n"
        "while True: time.sleep(60)\n"
    )

    class HangingUp(Said):
        def __call__(self, line: str) -> None:
            self.append(line)
            if line.startswith("workers"):
                os.kill(os.getpid(), signal.SIGHUP)
                asyncio.get_running_loop().call_later(0.02, self._stop_when_all_heard)

        def _stop_when_all_heard(self) -> None:
            if sum(path.name.isdigit() for path in tmp_path.iterdir()) == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            else:
                asyncio.get_running_loop().call_later(0.02, self._stop_when_all_heard)

    async with asyncio.timeout(30):
        assert await run_workers(Config(listen="127.0.0.1:0", policy="mine.py"), 2, "info", HangingUp("never")) == 0


async def test_sigterm_gives_workers_their_time_to_drain_and_a_second_one_takes_it(
    swarmd: Swarmd, tmp_path: Path
) -> None:
    note = tmp_path / "told"
    swarmd(
        f"def told(number, frame):\n    open({str(note)!r}, 'a').write(str(number) + ' ')\n"
        "    print('told', flush=True)\n    number == signal.SIGINT and os._exit(0)\n"
        "signal.signal(signal.SIGTERM, told)\nsignal.signal(signal.SIGINT, told)\nserve()\n"
        "while True: time.sleep(60)"
    )
    config = Config(listen="127.0.0.1:0", drain_seconds=600)
    running = asyncio.ensure_future(run_workers(config, 1, "info", Said("workers")))
    async with asyncio.timeout(30):
        while not note.exists():
            await asyncio.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)
        assert await running == 0
    assert note.read_text() == f"{signal.SIGTERM.value} {signal.SIGINT.value} "


async def test_workers_without_time_to_drain_end_at_once(swarmd: Swarmd) -> None:
    swarmd("signal.signal(signal.SIGTERM, signal.SIG_IGN)\nserve()\nwhile True: time.sleep(60)")
    async with asyncio.timeout(30):
        assert await run_workers(Config(listen="127.0.0.1:0", drain_seconds=0), 1, "info", Said("workers")) == 0
