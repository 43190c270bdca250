"""A simulation on the terminal (rich): a bar while it runs, and what was measured."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from swarm.simulate.course import describe
from swarm.simulate.rows import Row
from swarm.simulate.scenario import Scenario


@contextmanager
def bar(title: str) -> Iterator[Callable[[float, int, int], None]]:
    """Progress on stderr, gone afterwards; nothing where that is no terminal."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda share, served, events: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=1.0, state="")
        yield lambda share, served, events: progress.update(
            task, completed=share, state=f"{served:,} viewers served, {events:,} events"
        )


@contextmanager
def notes() -> Iterator[Callable[[str], None]]:
    """What runs now, on stderr: one line that changes, or nothing where that is no terminal."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda text: console.print(text, soft_wrap=True) if ":" in text else None
        return
    with console.status("") as status:
        yield lambda text: console.print(text, soft_wrap=True) if ":" in text else status.update(text)


def result_view(result: dict[str, Any]) -> RenderableType:
    """What `simulate` measured."""
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(result):
        facts.add_row(Text(name, style="dim"), Text(value))
    title = Text(describe(Scenario(**result["scenario"])), style="bold")
    cost = f"{result['seconds']:g} s in {result['cpu_seconds']:g} s of CPU time, {result['events']:,} events"
    return Group(title, facts, Text(cost, style="dim"))


def scenarios_view(scenarios: list[Scenario]) -> RenderableType:
    """What there is to be run."""
    shown = Table.grid(padding=(0, 2))
    for scenario in scenarios:
        shown.add_row(Text(scenario.name, style="bold"), describe(scenario))
    shown.add_row(Text("faults", style="bold"), "small swarms drawn from the seed, in which everything goes wrong")
    return shown


def rows_view(rows: list[Row]) -> RenderableType:
    """The table of what has to be reached."""
    shown = Table("scenario", "what", "reach", "measured", "", title_justify="left")
    before = ""
    for row in rows:
        verdict = Text("reached", style="green") if row.reached else Text("not reached", style="bold red")
        shown.add_row(row.scenario if row.scenario != before else "", row.what, row.reach, row.value, verdict)
        before = row.scenario
    return shown


def _facts(result: dict[str, Any]) -> Iterator[tuple[str, str]]:
    viewers, join, tree, load = result["viewers"], result["join"], result["tree"], result["load"]
    control, parents, outages = result["control"], result["parents"], result["outages"]
    yield "viewers", f"{viewers['served']:,} of {viewers['here']:,} served, {viewers['fed']:,} see the stream"
    yield (
        "refused meanwhile",
        f"{viewers['refused_full']:,} full, {viewers['refused_not_found']:,} not found, {viewers['dropped']:,} dropped",
    )
    yield "join beyond the network", f"p50 {join['p50']:.3f} s, p99 {join['p99']:.3f} s, longest {join['max']:.3f} s"
    yield "with nodes' round trips", f"p50 {join['with_nodes_p50']:.3f} s, p99 {join['with_nodes_p99']:.3f} s"
    yield "with the viewer's too", f"p50 {join['with_http_p50']:.3f} s, p99 {join['with_http_p99']:.3f} s"
    yield "redirects", f"{viewers['redirects_per_join']:g} per join"
    yield "depth", f"{tree['depth_max']} at most, p99 {tree['depth_p99']:g}"
    yield "owner", f"{tree['owner_copies_max']} copies, {tree['owner_used_max']:.0%} of its slots"
    yield (
        "carriers",
        f"{tree['carriers']:,}, needed {tree['carriers_needed']:,}: {tree['carriers_per_needed']:g} times as many",
    )
    yield (
        "load of carriers",
        f"mean {load['mean']:.0%}, most {load['max']:.0%}: {load['max_per_mean']:g} times the mean",
    )
    yield (
        "control received",
        f"{control['node_bytes_per_second']:g} bytes/s per node (p99 {control['node_bytes_per_second_p99']:g}), "
        f"{control['link_bytes_per_second']:g} per link (p99 {control['link_bytes_per_second_p99']:g})",
    )
    yield (
        "parent changes",
        f"{parents['changes']}, {parents['per_relay_hour']:g} per relay and hour, "
        f"{parents['unforced_per_relay_hour']:g} of them without need",
    )
    if outages["viewers"]:
        yield (
            "outages",
            f"{outages['viewers']:,} viewers, p50 {outages['seconds_p50']:g} s, p99 {outages['seconds_p99']:g} s, "
            f"longest {outages['seconds_max']:g} s, {outages['still_dark']:,} still dark; of all viewers "
            f"{outages['share_of_all_within_1s']:.2%} see it ≤ 1 s after detection",
        )
    yield "loops", str(result["loops"])
