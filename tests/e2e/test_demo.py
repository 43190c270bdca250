"""The demo runs as it is told to, and leaves nothing behind."""

import asyncio
import re
import signal
import sys
from pathlib import Path

DEMO_SECONDS_MAX = 110


def descendants(pid: int) -> set[int]:
    """The processes below `pid`, by `/proc/PID/task/PID/children`."""
    found: set[int] = set()
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return found
    for child in map(int, children):
        found |= {child} | descendants(child)
    return found


def running() -> set[int]:
    return {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()}


async def demo(*options: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", "demo", *options, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )


async def test_the_check_passes_and_says_what_it_looked_at() -> None:
    process = await demo("--check")
    async with asyncio.timeout(DEMO_SECONDS_MAX):
        out, _ = await process.communicate()
    text = out.decode()
    assert process.returncode == 0, text
    assert "FAILED" not in text
    for name in ("first", "second", "seed"):
        assert f"pictures move at the viewer of {name}" in text
    assert re.search(r"a relay is fed by a relay.*owner → \w+ → \w+", text)


async def test_the_endless_demo_says_what_to_open_and_ends_on_ctrl_c_with_all_its_processes() -> None:
    process = await demo()
    assert process.stdout is not None
    lines = []
    async with asyncio.timeout(DEMO_SECONDS_MAX):
        async for line in process.stdout:
            lines.append(line.decode())
            if "Ctrl-C" in lines[-1]:
                break
        children = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        out, _ = await process.communicate()
    assert process.returncode == 0, "".join(lines)
    assert len(children) >= 5
    assert not children & running()
    assert "/watch/" in out.decode()
