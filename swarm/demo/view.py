"""The demo on the terminal (rich): the tree as it grows, what each viewer gets, and the table of verdicts."""

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from swarm.client.show import tree_view
from swarm.demo.checks import Verdict
from swarm.demo.stage import Stage


def verdict_table(verdicts: Sequence[Verdict]) -> Table:
    """One row for each thing that was checked."""
    table = Table("checked", "", "found")
    for verdict in verdicts:
        mark = Text("ok", style="green") if verdict.passed else Text("FAILED", style="bold red")
        table.add_row(Text(verdict.what), mark, Text(verdict.found))
    return table


def live_view(stage: Stage, tree: dict[str, Any] | None, note: str) -> RenderableType:
    """The whole screen of the endless demo."""
    parts: list[RenderableType] = []
    if tree is not None:
        parts += [tree_view(tree, stage.names), Text()]
    else:
        parts += [Text(f"{name}  {member.url}") for name, member in stage.members.items()]
    if stage.viewers:
        parts += [_viewers(stage), Text()]
    if stage.producer_id is not None:
        parts += [*addresses(stage), Text()]
    parts.append(Text(note, style="dim"))
    return Group(*parts)


def addresses(stage: Stage) -> list[Text]:
    """What to open in a browser."""
    lines = [Text("Open in a browser:", style="bold")]
    for name, member in stage.members.items():
        lines.append(Text(f"  {member.url}/watch/{stage.producer_id}  (through {name})"))
    lines.append(Text(f"  {stage.members['seed'].url}/publish  (your own camera)"))
    return lines


def _viewers(stage: Stage) -> Table:
    table = Table("viewer through", "pictures", "size", "counter", "lost", "sound", box=None, header_style="bold")
    for viewer in stage.viewers:
        watched = viewer.watched
        table.add_row(
            viewer.name,
            str(watched.frames),
            f"{watched.width}x{watched.height}",
            str(watched.counter),
            str(watched.lost),
            f"{watched.sounding} of {watched.audio_frames}",
        )
    return table
