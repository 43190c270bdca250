"""All benchmarks, one after the other, and `benchmarks/RESULTS.md` from what they measured.

    python -m benchmarks.results [--only NAME] [--output FILE]

A row says what was wanted, whether it was reached, and the command that measures it again. A program that fails leaves
its rows in the table, with the reason.
"""

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

PROGRAM_SECONDS_MAX = 900
"""The longest, a comparison, takes three minutes; one that hangs must not hold up the others."""

STACK = ("swarmd", "aiortc", "pylibsrtp", "uvloop", "aiohttp", "msgpack", "kademlia")

Judged = tuple[str, bool]
"""What was measured, in words, and whether it reaches what was wanted."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `judge` reads the program's JSON."""

    what: str
    wanted: str
    judge: Callable[[Any], Judged]


def at_least(bound: float, value: float, unit: str) -> Judged:
    return f"{value:,.10g} {unit}".strip(), value >= bound


def at_most(bound: float, value: float, unit: str) -> Judged:
    return f"{value:,.10g} {unit}".strip(), value <= bound


def compared(load: str) -> Callable[[Any], Judged]:
    """A row of `against_mediasoup` or `against_janus`."""

    def judge(found: Any) -> Judged:
        servers = found[load]
        named = {name: each for name, each in servers.items() if isinstance(each, dict)}
        words = ", ".join(
            f"{name} {each['us_per_packet']} µs, {each['lost_percent']}% lost" for name, each in named.items()
        )
        return f"{servers['ratio']} ({words}; {servers['load']})", servers["ratio"] <= servers["ratio_wanted"]

    return judge


def lossless(found: Any) -> Judged:
    clean = not (found["duplicates"] or found["garbled"] or found["decryption_failures"])
    words = f"{found['in_time_percent']}% in 300 ms, {found['delivered_percent']}% in all, {found['duplicates']} twice"
    return f"{words}, {found['decryption_failures']} undecryptable", found["in_time_percent"] >= 99.9 and clean


def rate(scenario: str) -> Callable[[Any], Judged]:
    def judge(found: Any) -> Judged:
        row = found[scenario]
        words = f"{row['packets_per_second']:,.0f} packets/s, {row['us_per_packet']} µs, {row['lost_percent']}% lost"
        return words, row["packets_per_second"] >= row["packets_per_second_wanted"]

    return judge


PROGRAMS: dict[str, tuple[str, tuple[Row, ...]]] = {
    "bare_loop": (
        "benchmarks.bare_loop",
        (
            Row(
                "packets/s per core: 200 viewers, 1200 bytes, 12-packet frames at 30/s",
                "≥ 300,000",
                lambda found: at_least(300_000, found["node_packets_per_second_and_core"], "/s"),
            ),
            Row(
                "share of a bare Python loop with the same cryptography and GSO",
                "≥ 0.5",
                lambda found: at_least(0.5, found["share_of_loop"], ""),
            ),
        ),
    ),
    "saturation": (
        "benchmarks.saturation",
        (
            Row("highest rate without loss: 400 viewers, 24-packet frames", "≥ 350,000/s", rate("bursts")),
            Row("the same, publisher paces packets singly", "≥ 120,000/s", rate("single packets")),
            Row("the same, audio only, 160 bytes, 500 viewers", "≥ 120,000/s", rate("audio")),
        ),
    ),
    "against_mediasoup": (
        "benchmarks.against_mediasoup",
        (
            Row("CPU per packet, of mediasoup's, low load", "≤ 1/3", compared("low load")),
            Row("CPU per packet, of mediasoup's, highest load", "≤ 1/3", compared("highest load")),
        ),
    ),
    "against_janus": (
        "benchmarks.against_janus",
        (
            Row("CPU per packet, of Janus's, low load", "≤ 1/5", compared("low load")),
            Row("CPU per packet, of Janus's, highest load", "≤ 1/5", compared("highest load")),
        ),
    ),
    "against_aiortc": (
        "benchmarks.against_aiortc",
        (Row("CPU per viewer, of aiortc's MediaRelay", "≤ 1/50", lambda found: at_most(0.02, found["ratio"], "")),),
    ),
    "delay": (
        "benchmarks.delay",
        (
            Row("delay added, p50, at half capacity", "≤ 1 ms", lambda found: at_most(1, found["ms_p50"], "ms")),
            Row("delay added, p99, at half capacity", "≤ 5 ms", lambda found: at_most(5, found["ms_p99"], "ms")),
        ),
    ),
    "loss": (
        "benchmarks.loss",
        (
            Row(
                "delivered over two hops, each with 5% loss, 2% reordering, 50 ms RTT",
                "≥ 99.9% in 300 ms, none twice",
                lossless,
            ),
        ),
    ),
    "bench": (
        "cli bench",
        (
            Row("joins/s per core", "≥ 60", lambda found: at_least(60, found["joins_per_second_per_core"], "/s")),
            Row(
                "CPU of a join",
                "≤ 6 ms",
                lambda found: at_most(6, round(1000 / found["joins_per_second_per_core"], 2), "ms"),
            ),
            Row("memory of a viewer", "≤ 200 KB", lambda found: at_most(200, found["kilobytes_per_viewer"], "KB")),
        ),
    ),
    "join": (
        "benchmarks.join",
        (
            Row(
                "POST to the first keyframe packet at a carrier, p95 of 50",
                "≤ 250 ms",
                lambda found: at_most(250, round(found["carrier"]["p95"], 1), "ms"),
            ),
            Row(
                "the same at a node that does not carry the stream",
                "≤ 500 ms",
                lambda found: at_most(500, round(found["stranger"]["p95"], 1), "ms"),
            ),
        ),
    ),
    "forward": (
        "benchmarks.forward",
        (
            Row(
                "CPU of a node per forwarded packet, 100 viewers",
                "as low as can be",
                lambda found: (f"{found['us_per_packet']} µs", True),
            ),
        ),
    ),
    "idle": (
        "benchmarks.idle",
        (
            Row("resident, an idle node", "< 80 MB", lambda found: at_most(80, max(found["megabytes"]), "MB")),
            Row("CPU, an idle node", "< 1%", lambda found: at_most(1, max(found["cpu_percent"]), "%")),
        ),
    ),
}


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(PROGRAMS)), help="May be given again.")
@click.option("--output", default=str(Path(__file__).with_name("RESULTS.md")), show_default=True)
def main(only: tuple[str, ...], output: str) -> None:
    """Runs the benchmarks and writes the table."""
    lines = []
    for name in only or PROGRAMS:
        for line in measured(*PROGRAMS[name]):
            click.echo(line)
            lines.append(line)
    Path(output).write_text("\n".join([*head(), *lines]) + "\n")


def measured(command: str, rows: tuple[Row, ...]) -> Iterator[str]:
    """The table's lines for one program."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", *command.split(), "--json"],
            capture_output=True,
            text=True,
            timeout=PROGRAM_SECONDS_MAX,
            check=True,
        )
        found = json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError) as exc:
        said = (getattr(exc, "stderr", None) or str(exc)).strip().splitlines()
        found, reason = None, said[-1][:120] if said else type(exc).__name__
    shown = f"`python -m {command}`"
    for row in rows:
        try:
            figure, reached = row.judge(found) if found is not None else (f"not measured: {reason}", False)
        except (KeyError, TypeError) as exc:
            figure, reached = f"not measured: {exc!r}", False
        yield f"| {row.what} | {row.wanted} | {figure} | {'yes' if reached else 'no'} | {shown} |"


def head() -> list[str]:
    """Machine, date, versions, and the table's first two lines."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    versions = ", ".join(f"{name} {version(name)}" for name in STACK)
    return [
        "# Results",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, by `make bench`. {cpu.group(1) if cpu else platform.machine()}, "
        f"{os.cpu_count()} cores, Linux {platform.release().split('-')[0]}, Python {platform.python_version()}.",
        "",
        f"{versions}.",
        "",
        "CPU is that of the node's process alone, user and system. Load comes from other processes, over loopback; the",
        "viewers' sockets count and drop RTP in the kernel, so that no receiver competes with the node for a core.",
        "",
        "| what | wanted | measured | reached | command |",
        "|---|---|---|---|---|",
    ]


if __name__ == "__main__":
    main()
