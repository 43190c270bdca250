"""A node's API answers as tables and trees for people (rich)."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

_id_digits = 12
"""Of a node id's 40: enough to tell the nodes of a swarm apart."""


def node_view(node: dict[str, Any], producers: list[dict[str, Any]]) -> RenderableType:
    """`/api/v1/node` and `/api/v1/producers`."""
    facts = Table.grid(padding=(0, 2))
    owned = node.get("producers", {})
    dht = node.get("dht", {})
    for name, value in (
        ("node", f"{_short(node.get('id'))}  swarmd {node.get('version', '?')}  swarm {node.get('swarm', '?')}"),
        ("url", node.get("url", "?")),
        ("addresses", ", ".join(node.get("addresses", []))),
        ("up", _duration(node.get("uptime_seconds", 0))),
        ("consumers", _consumers(node)),
        ("load", _load(node.get("load", {}))),
        ("producers", f"{owned.get('owned', 0)} owned, {owned.get('piped', 0)} piped"),
        ("dht", f"{dht.get('contacts', 0)} contacts, {dht.get('leases', 0)} leases"),
    ):
        facts.add_row(Text(name, style="dim"), Text(str(value)))
    parts: list[RenderableType] = [facts]
    if node.get("peers"):
        parts.append(_peers(node["peers"]))
    if producers:
        parts.append(_producers(producers))
    return Group(*parts)


def tree_view(tree: dict[str, Any], names: Mapping[str, str] | None = None) -> RenderableType:
    """`/api/v1/producers/{uuid}/tree`: the owner at the root. `names` are shown in place of node ids."""
    view = Tree(Text(f"{tree.get('producer', '?')}", style="bold"))
    _grow(view, tree.get("root", {}), "owner", names or {})
    return view


def producer_view(producer: dict[str, Any]) -> RenderableType:
    """`/api/v1/producers/{uuid}`."""
    facts = Table.grid(padding=(0, 2))
    for name in ("id", "owner", "address", "url", "carried_here"):
        facts.add_row(Text(name.replace("_", " "), style="dim"), Text(str(producer.get(name, "?"))))
    return facts


def _consumers(node: dict[str, Any]) -> str:
    most = node.get("max_consumers")
    room = node.get("load", {}).get("room", {})
    free = f", room for {room.get('viewers', '?')} viewers and {room.get('relays', '?')} relays" if room else ""
    return f"{node.get('consumers', '?')}{f' of {most}' if most is not None else ''}{free}"


def _load(load: dict[str, Any]) -> str:
    busy = f"  busy: {', '.join(load['busy'])}" if load.get("busy") else ""
    return (
        f"{load.get('packets_per_second', '?')} packets/s  {load.get('mbps', '?')} Mbit/s  "
        f"CPU {load.get('cpu_percent', '?')}%  lag {load.get('lag_ms', '?')} ms{busy}"
    )


def drain_view(state: dict[str, Any]) -> RenderableType:
    """`/api/v1/drain`."""
    if not state.get("draining"):
        return Text("the node stays")
    left = f"{state.get('sessions', 0)} sessions, {state.get('relays', 0)} relays"
    return Text(f"the node ends within {state.get('seconds_left', 0):.0f} s; still here: {left}")


def _grow(parent: Tree, carrier: dict[str, Any], role: str, names: Mapping[str, str]) -> None:
    viewers = carrier.get("viewers", 0)
    name = names.get(str(carrier.get("node"))) or _short(carrier.get("node"))
    label = Text.assemble(
        (role, "green" if role == "owner" else "cyan"),
        f"  {name}  {carrier.get('url') or carrier.get('address', '')}  ",
        (f"{viewers} viewer{'' if viewers == 1 else 's'}", "bold" if viewers else "dim"),
    )
    branch = parent.add(label)
    for child in carrier.get("children", []):
        _grow(branch, child, "relay", names)


def _peers(peers: list[dict[str, Any]]) -> Table:
    table = Table("peer", "address", "url", "rtt", title="links", title_justify="left")
    for peer in peers:
        rtt = peer.get("rtt_ms")
        rtt_text = "-" if rtt is None else f"{rtt:.1f} ms"
        table.add_row(_short(peer.get("id")), Text(str(peer.get("address"))), Text(str(peer.get("url"))), rtt_text)
    return table


def _producers(producers: list[dict[str, Any]]) -> Table:
    table = Table("producer", "role", "tracks", "viewers", "relays", "age", title="carried", title_justify="left")
    for producer in producers:
        tracks = ", ".join(f"{track.get('kind')} {track.get('codec')}" for track in producer.get("tracks", []))
        table.add_row(
            Text(str(producer.get("id"))),
            str(producer.get("role")),
            Text(tracks),
            str(producer.get("viewers", 0)),
            str(producer.get("relays", 0)),
            _duration(producer.get("age_seconds", 0)),
        )
    return table


def _short(node_id: object) -> str:
    return str(node_id or "?")[:_id_digits]


def _duration(seconds: float) -> str:
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
