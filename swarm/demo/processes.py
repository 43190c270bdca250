"""The demo's child processes: each a `swarmd` command with its own log file, ended whatever happens."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from foundation import limits
from foundation.errors import RemoteError


class Program:
    """One running `swarmd` command."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @classmethod
    async def start(cls, name: str, arguments: Sequence[str], directory: Path) -> "Program":
        """Starts `swarmd ARGUMENTS` with this interpreter; what it writes to stderr goes into a file in `directory`."""
        log = directory / f"{name}.log"
        # What the operator set for a node of his own is not meant for ours.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SWARMD_")}
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "cli",
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                env=environment,
                # Ctrl-C in a terminal reaches the whole group: the children are to end when we say so.
                start_new_session=True,
            )
        return cls(name, process, log)

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._process.returncode

    async def printed(self, pattern: str) -> str:
        """The first group of `pattern` in the next line of output that has it.

        Raises `RemoteError` when the program ends before, or takes too long.
        """
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(limits.demo_wait_seconds_max):
                async for line in self._process.stdout:
                    if match := re.search(pattern, line.decode("utf-8", "replace")):
                        return match.group(1)
        except TimeoutError:
            raise RemoteError(f"{self.name} did not start within {limits.demo_wait_seconds_max:.0f} s") from None
        raise RemoteError(f"{self.name} ended before it was ready")

    def log_end(self) -> list[str]:
        """The last lines of its log."""
        return self.log.read_text("utf-8", "replace").splitlines()[-limits.demo_log_lines_max :]

    async def stop(self) -> None:
        """Asks it to end, insists after a while, and waits until it has."""
        if self.running:
            self._signal(signal.SIGINT)
            try:
                async with asyncio.timeout(limits.demo_stop_seconds_max):
                    await self._process.communicate()
            except TimeoutError:
                self._signal(signal.SIGKILL)
        await self._process.communicate()

    def _signal(self, number: signal.Signals) -> None:
        try:
            self._process.send_signal(number)
        except ProcessLookupError:
            return
