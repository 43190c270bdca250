"""The bench on the terminal (rich)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text


@contextmanager
def progress(steps: int) -> Iterator[Callable[[str], None]]:
    """A bar on stderr that is gone afterwards; one line for each step where stderr is no terminal."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda text: console.print(text, soft_wrap=True)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=steps, completed=-1)
        yield lambda text: bar.update(task, description=text, advance=1)


def bench_view(result: dict[str, Any]) -> RenderableType:
    """What `run_bench` gives."""
    machine = result["machine"]
    facts = Table.grid(padding=(0, 2))
    for name, value in (
        ("machine", f"{machine['cores']} x {machine['processor']}, Linux {machine['kernel']}"),
        ("software", f"swarmd {machine['swarmd']}, Python {machine['python']}"),
    ):
        facts.add_row(Text(name, style="dim"), Text(value))
    one_core = Table("one core carries", "", title_justify="left")
    for name, value in _per_core(result):
        one_core.add_row(name, Text(value, style="bold", justify="right"))
    parts: list[RenderableType] = [facts, one_core, _loads(result)]
    parts += [Text(f"note: {note}", style="yellow") for note in result["notes"]]
    parts.append(Text("CPU time over loopback, scaled to one core: a network card comes on top.", style="dim"))
    parts.append(Text("A node uses one core: 'swarmd run --workers N' runs as many as there are cores.", style="dim"))
    return Group(*parts)


def _per_core(result: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, count in result["viewers_per_core"].items():
        yield f"viewers at {name}", f"{count:,}"
    yield "packets per second", f"{result['packets_per_second_per_core']:,}"
    yield "Mbit/s", f"{result['mbit_per_second_per_core']:,}"
    yield "joins per second", f"{result['joins_per_second_per_core']:,}"
    yield "memory per viewer", f"{result['kilobytes_per_viewer']:,} KB"


def _loads(result: dict[str, Any]) -> Table:
    table = Table(
        "measured with", "packets/s", "node's CPU", "µs/packet", "lost", "load's CPU",
        title=f"{result['viewers']} viewers, {result['seconds']:g} s each", title_justify="left",
    )  # fmt: skip
    for load in result["loads"]:
        table.add_row(
            load["name"],
            f"{load['packets_per_second']:,}",
            f"{load['node_cpu_percent']}%",
            str(load["us_per_packet"]),
            f"{load['lost_percent']}%",
            f"{load['load_cpu_percent']}%",
        )
    return table
