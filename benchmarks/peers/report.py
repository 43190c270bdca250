"""What a comparison prints."""

import json
from typing import Any

import click

VIEWER_COLUMNS = (
    ("viewers", "viewers"),
    ("cpu_percent_per_viewer", "CPU % each"),
    ("frames_per_second", "frames/s"),
    ("packets_per_second", "packets/s"),
)
COLUMNS = (
    ("us_per_packet", "µs/packet"),
    ("packets_per_second", "packets/s"),
    ("cpu_percent", "CPU %"),
    ("lost_percent", "lost %"),
)


def show(result: dict[str, Any], as_json: bool) -> None:
    """One table for each load, and how many times less the node burns than the other server."""
    if as_json:
        click.echo(json.dumps(result))
        return
    for name, value in result.items():
        if not isinstance(value, dict):
            click.echo(f"{name:16} {value}")
    for load, servers in result.items():
        if not isinstance(servers, dict):
            continue
        click.echo(f"\n{servers['load']}")
        click.echo(f"{load:16}" + "".join(f"{title:>12}" for _, title in COLUMNS))
        for server, figures in servers.items():
            if isinstance(figures, dict):
                click.echo(f"{server:16}" + "".join(f"{figures[key]:>12}" for key, _ in COLUMNS))
        click.echo(f"{'ratio':16}{servers['ratio']:>12}   (wanted: at most {servers['ratio_wanted']})")


def show_viewers(result: dict[str, Any], as_json: bool) -> None:
    """One table, per viewer."""
    if as_json:
        click.echo(json.dumps(result))
        return
    click.echo(f"{result['picture']:16}" + "".join(f"{title:>12}" for _, title in VIEWER_COLUMNS))
    for server, figures in result.items():
        if isinstance(figures, dict):
            click.echo(f"{server:16}" + "".join(f"{figures[key]:>12}" for key, _ in VIEWER_COLUMNS))
    click.echo(f"{'ratio':16}{result['ratio']:>12}   (wanted: at most {result['ratio_wanted']})")


def show_table(rows: dict[str, dict[str, Any]], as_json: bool) -> None:
    """A row for each name, with what was wanted."""
    if as_json:
        click.echo(json.dumps(rows))
        return
    click.echo(" " * 16 + "".join(f"{title:>12}" for _, title in COLUMNS) + f"{'wanted':>16}")
    for name, figures in rows.items():
        wanted = f"{figures['packets_per_second_wanted']} /s"
        click.echo(f"{name:16}" + "".join(f"{figures[key]:>12}" for key, _ in COLUMNS) + f"{wanted:>16}")
