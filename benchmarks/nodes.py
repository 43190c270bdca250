"""Node processes for benchmarks: started on free loopback ports, measured through `/proc`, ended with SIGTERM."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its threads so far (`/proc/PID/stat`, fields 14 and 15), by 10 ms."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


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
        """User and system time of the process so far, in steps of 10 ms."""
        return cpu_seconds(self.process.pid)

    def resident_megabytes(self) -> float:
        with open(f"/proc/{self.process.pid}/status") as status:
            match = re.search(r"VmRSS:\s+(\d+) kB", status.read())
        assert match
        return int(match.group(1)) / 1024


@asynccontextmanager
async def node(*options: str) -> AsyncIterator[NodeProcess]:
    """A running node; ended, and awaited, when the block is left."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", "run", "--listen", "127.0.0.1:0", *options, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        url = None
        async with asyncio.timeout(20):
            while url is None:
                line = (await process.stdout.readline()).decode()
                if not line:
                    raise RuntimeError("the node ended before it said where it listens")
                match = re.search(r"http://[\w.\[\]:]+:\d+", line)
                url = match.group(0) if match else None
        yield NodeProcess(process, url)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.communicate(), 10)
            except TimeoutError:
                process.kill()
                await process.communicate()
