"""Every example runs as it stands."""

import asyncio
import re
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
EXAMPLE_SECONDS_MAX = 60


async def test_the_embedding_example_prints_growing_counters_and_ends_well() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLES / "embed.py"), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(EXAMPLE_SECONDS_MAX):
        out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    counters = [int(counter) for counter in re.findall(r"picture (\d+) of 640x360", out.decode())]
    assert len(counters) >= 2
    assert counters == sorted(set(counters))
