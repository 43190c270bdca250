"""Node processes under measurement: started on free loopback ports, ended with SIGINT: nobody waits for a drain."""

import asyncio
import re
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from foundation import process_limits as limits
from foundation.errors import RemoteError
from swarm.process.child import start_child

_unmeasured = tuple(f"--max-{measure}=0" for measure in ("packets-per-second", "mbps", "cpu-percent", "lag-ms"))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its threads so far, to the nanosecond.

    `/proc/PID/stat` has the same in steps of 10 ms; this is the clock of clock_getcpuclockid(3), which Python lacks.
    """
    return time.clock_gettime((~pid << 3) | 2)


class NodeProcess:
    """One `swarmd run` process."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.url = url

    @property
    def authority(self) -> str:
        """`host:port`, for `--join`."""
        return self.url.removeprefix("http://")

    def cpu_seconds(self) -> float:
        """User and system time of the process so far. Raises `RemoteError` when it has ended."""
        try:
            return cpu_seconds(self.process.pid)
        except OSError:
            raise RemoteError("the node has ended while it was measured") from None

    def resident_megabytes(self) -> float:
        """Raises `RemoteError` when it has ended."""
        try:
            with open(f"/proc/{self.process.pid}/status") as status:
                match = re.search(r"VmRSS:\s+(\d+) kB", status.read())
        except FileNotFoundError:
            match = None
        if match is None:
            raise RemoteError("the node has ended while it was measured")
        return int(match.group(1)) / 1024


@asynccontextmanager
async def node(*options: str, stderr: int | None = None) -> AsyncIterator[NodeProcess]:
    """A running node; ended, and awaited, when the block is left. Raises `RemoteError` when it does not start.

    `stderr` is a file descriptor for its log.

    It carries what it is given, however hard that is: unless `options` say otherwise, no measure makes it busy.
    """
    process = await start_child("cli", "run", "--listen", "127.0.0.1:0", *_unmeasured, *options, stderr=stderr)
    try:
        yield NodeProcess(process, await _url(process))
    finally:
        await end(process)


async def end(process: asyncio.subprocess.Process) -> None:
    """Asks a process to end, insists after a while, and waits until it has."""
    if process.returncode is None:
        process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(limits.worker_stop_seconds_max):
                await process.communicate()
        except TimeoutError:
            process.kill()
    await process.communicate()


async def _url(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(limits.worker_start_seconds_max):
            async for line in process.stdout:
                if match := re.search(r"http://[\w.\[\]:]+:\d+", line.decode("utf-8", "replace")):
                    return match.group(0)
    except TimeoutError:
        raise RemoteError(f"the node did not start within {limits.worker_start_seconds_max:.0f} s") from None
    raise RemoteError("the node ended before it said where it listens")
