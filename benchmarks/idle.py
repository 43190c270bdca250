"""What a node costs while nothing happens: resident memory and CPU, alone and in a swarm of four.

python -m benchmarks.idle [--seconds 30]
"""

import asyncio
import time
from contextlib import AsyncExitStack

import click
import uvloop

from benchmarks.nodes import node

SWARM_NODES = 4
SETTLE_SECONDS = 5


@click.command()
@click.option("--seconds", default=30.0, show_default=True)
def main(seconds: float) -> None:
    """Prints resident megabytes and percent of a core for each node of a swarm of four that has nothing to do."""
    uvloop.run(measure(seconds))


async def measure(seconds: float) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(node())
        rest = [await stack.enter_async_context(node("--join", first.authority)) for _ in range(SWARM_NODES - 1)]
        nodes = [first, *rest]
        await asyncio.sleep(SETTLE_SECONDS)
        before = [each.cpu_seconds() for each in nodes]
        started = time.monotonic()
        await asyncio.sleep(seconds)
        elapsed = time.monotonic() - started
        for index, each in enumerate(nodes):
            percent = 100 * (each.cpu_seconds() - before[index]) / elapsed
            click.echo(f"node {index + 1}: {each.resident_megabytes():6.1f} MB resident, {percent:.2f}% of a core")


if __name__ == "__main__":
    main()
