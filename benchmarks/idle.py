"""What a node costs while nothing happens: resident memory and CPU, alone and in a swarm of four.

python -m benchmarks.idle [--seconds 30]
"""

import asyncio
import json
import time
from contextlib import AsyncExitStack

import click
import uvloop

from benchmarks.nodes import node

SWARM_NODES = 4
SETTLE_SECONDS = 5


@click.command()
@click.option("--seconds", default=30.0, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(seconds: float, as_json: bool) -> None:
    """Prints resident megabytes and percent of a core for each node of a swarm of four that has nothing to do."""
    result = uvloop.run(measure(seconds))
    if as_json:
        click.echo(json.dumps(result))
        return
    for number, (megabytes, percent) in enumerate(zip(*result.values(), strict=True), 1):
        click.echo(f"node {number}: {megabytes:6.1f} MB resident, {percent:.2f}% of a core")


async def measure(seconds: float) -> dict[str, list[float]]:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(node())
        rest = [await stack.enter_async_context(node("--join", first.authority)) for _ in range(SWARM_NODES - 1)]
        nodes = [first, *rest]
        await asyncio.sleep(SETTLE_SECONDS)
        before = [each.cpu_seconds() for each in nodes]
        started = time.monotonic()
        await asyncio.sleep(seconds)
        elapsed = time.monotonic() - started
        return {
            "megabytes": [round(each.resident_megabytes(), 1) for each in nodes],
            "cpu_percent": [
                round(100 * (each.cpu_seconds() - start) / elapsed, 2)
                for each, start in zip(nodes, before, strict=True)
            ],
        }


if __name__ == "__main__":
    main()
