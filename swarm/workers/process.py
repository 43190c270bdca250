"""One worker: a `swarmd` process that ends when its parent does, whose lines are read as they come."""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence

from foundation import process_limits as limits
from swarm.process.child import start_child

ERROR_PREFIX = "swarmd: "
"""Of the one line with which a command says why it failed."""


class WorkerProcess:
    """A running or ended `swarmd ARGUMENTS`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.serving = False
        """Whether it has said where it serves: until then SIGTERM ends it at once and in silence."""

    @classmethod
    async def start(cls, arguments: Sequence[str]) -> "WorkerProcess":
        """Raises `OSError` when the machine has no room for another process."""
        process = await start_child("cli", *arguments, stderr=asyncio.subprocess.PIPE)
        return cls(process)

    def output(self) -> AsyncIterator[str]:
        """The lines of its stdout, until it closes that."""
        assert self._process.stdout is not None
        return _lines(self._process.stdout)

    def errors(self) -> AsyncIterator[str]:
        """The lines of its stderr, until it closes that."""
        assert self._process.stderr is not None
        return _lines(self._process.stderr)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ended(self) -> str:
        """How it ended, in words, once it has."""
        code = await self._process.wait()
        if code >= 0:
            return f"ended with exit code {code}"
        try:
            return f"was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"was ended by signal {-code}"

    def send(self, number: signal.Signals) -> None:
        """Sends a signal; nothing when it has ended."""
        if self._process.returncode is None:
            try:
                self._process.send_signal(number)
            except ProcessLookupError:
                return


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """What is read, line by line; longer lines come in pieces."""
    rest = b""
    while chunk := await stream.read(limits.worker_line_bytes_max):
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > limits.worker_line_bytes_max:
            whole.append(rest)
            rest = b""
        for line in whole:
            yield line.decode("utf-8", "replace")
    if rest:
        yield rest.decode("utf-8", "replace")
