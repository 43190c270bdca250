"""What a run has shown: served and refused, join times, the shape of the trees, control bytes, outages."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from swarm.simulate.feeding import Feed, Outage
from swarm.simulate.host import Host
from swarm.simulate.world import START, World

_LINK_SECONDS_MIN = 10.0
"""A link that lived for less says nothing about rates."""


@dataclass(slots=True)
class Window:
    """Rates are taken from `begin` on; `node_seconds` of nodes that died meanwhile are counted by whoever kills."""

    begin: float
    parent_changes: int
    unforced: int


def open_window(world: World) -> Window:
    """Forgets what was counted before."""
    for host in world.hosts.values():
        host.bytes_received = 0
    for wire in world.network.wires.values():
        wire.bytes_to_a = wire.bytes_to_b = 0
    world.network.closed.clear()
    return Window(world.events.now, world.parent_changes, world.parent_changes_unforced)


def measure(world: World, window: Window, producers: Sequence[UUID], killed_at: float | None) -> dict[str, Any]:
    """Everything of the run so far, as JSON's types."""
    return {
        "seconds": round(world.events.now - START, 3),
        "viewers": _viewers(world),
        "join": _joins(world),
        "tree": _trees(world, producers),
        "load": _load(world),
        "control": _control(world, window),
        "parents": _parents(world, window),
        "outages": _outages(world, killed_at),
        "loops": world.feeding.loops,
        "lookups": world.lookups,
        "counters": _counters(world),
    }


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which `share` of all are; 0 without any."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def _viewers(world: World) -> dict[str, Any]:
    audience = world.audience
    served = sum(viewer.host is not None for viewer in audience.viewers.values())
    fed = sum(feed.viewers for feed in world.feeding.all() if feed.fed)
    here = len(audience.viewers)
    return {
        "here": here,
        "served": served,
        "fed": fed,
        "served_share": round(served / here, 6) if here else 1.0,
        "refused_full": audience.full,
        "refused_not_found": audience.not_found,
        "dead_doors": audience.dead_doors,
        "dropped": audience.dropped,
        "redirects": audience.redirects,
        "redirects_per_join": round(audience.redirects / max(1, len(audience.joins)), 3),
    }


def _joins(world: World) -> dict[str, Any]:
    joins, in_all = world.audience.joins, world.audience.joins_in_all
    return {
        "count": len(joins),
        "p50": round(percentile(joins, 0.5), 4),
        "p90": round(percentile(joins, 0.9), 4),
        "p99": round(percentile(joins, 0.99), 4),
        "max": round(max(joins, default=0.0), 4),
        "with_nodes_p50": round(percentile(world.audience.joins_beyond_http, 0.5), 4),
        "with_nodes_p99": round(percentile(world.audience.joins_beyond_http, 0.99), 4),
        "with_http_p50": round(percentile(in_all, 0.5), 4),
        "with_http_p99": round(percentile(in_all, 0.99), 4),
    }


def depth(feed: Feed) -> int:
    """Pipes from the owner down to here; -1 for a feed that hangs in the air."""
    steps = 0
    while feed.source is not None:
        feed = feed.source
        steps += 1
    return steps if feed.origin else -1


def _trees(world: World, producers: Sequence[UUID]) -> dict[str, Any]:
    depths = [depth(feed) for feed in world.feeding.all() if feed.fed]
    used, copies, needed, carriers = [], [], 0, 0
    for producer in producers:
        owner = world.owners.get(producer)
        if owner is not None:
            load = owner.tree.load
            used.append((load.viewers + load.children) / owner.slots)
            copies.append(load.viewers + load.children)
        feeds = [feed for feed in world.feeding.all() if feed.producer == producer and feed.fed]
        watching = sum(feed.viewers for feed in feeds)
        carriers += len(feeds)
        needed += max(1, math.ceil((watching - 1) / max(1, world.scenario.slots - 1)))
    return {
        "carriers": carriers,
        "carriers_needed": needed,
        "carriers_per_needed": round(carriers / max(1, needed), 3),
        "depth_max": max(depths, default=0),
        "depth_p99": percentile(depths, 0.99),
        "owner_copies_max": max(copies, default=0),
        "owner_used_max": round(max(used, default=0.0), 3),
    }


def _load(world: World) -> dict[str, Any]:
    loads = []
    for host in world.alive:
        load = host.tree.load
        if host.tree.carriages():
            loads.append((load.viewers + load.children) / host.slots)
    mean = sum(loads) / max(1, len(loads))
    everywhere = sum(loads) / max(1, len(world.alive))
    return {
        "mean": round(mean, 4),
        "mean_of_all_nodes": round(everywhere, 4),
        "max": round(max(loads, default=0.0), 4),
        "max_per_mean": round(max(loads, default=0.0) / mean, 3) if mean else 0.0,
        "max_per_mean_of_all_nodes": round(max(loads, default=0.0) / everywhere, 3) if everywhere else 0.0,
    }


def _control(world: World, window: Window) -> dict[str, Any]:
    now = world.events.now
    nodes = [(host.bytes_received, _lived(host, window.begin, now)) for host in world.hosts.values()]
    links = [
        ((wire.bytes_to_a + wire.bytes_to_b) / seconds, seconds)
        for wire in (*world.network.wires.values(), *world.network.closed)
        if (seconds := (wire.closed if wire.closed >= 0 else now) - max(window.begin, wire.opened)) >= _LINK_SECONDS_MIN
    ]
    link_seconds = sum(seconds for _, seconds in links)
    return {
        "node_bytes_per_second": round(sum(b for b, _ in nodes) / max(1e-9, sum(s for _, s in nodes)), 1),
        "node_bytes_per_second_p99": round(percentile((b / s for b, s in nodes if s >= 10), 0.99), 1),
        "node_bytes_per_second_max": round(max((b / s for b, s in nodes if s >= 10), default=0.0), 1),
        "link_bytes_per_second": round(sum(r * s for r, s in links) / max(1e-9, link_seconds), 1),
        "link_bytes_per_second_p99": round(percentile((rate for rate, _ in links), 0.99), 1),
        "links": len(world.network.wires),
    }


def _lived(host: Host, begin: float, now: float) -> float:
    return max(0.0, (now if host.alive else host.died) - max(begin, host.born))


def _parents(world: World, window: Window) -> dict[str, Any]:
    hours = max(1e-9, (world.events.now - window.begin) / 3600)
    relays = max(1, sum(1 for feed in world.feeding.all() if feed.source is not None))
    changes, unforced = world.parent_changes - window.parent_changes, world.parent_changes_unforced - window.unforced
    return {
        "changes": world.parent_changes,
        "changes_unforced": world.parent_changes_unforced,
        "per_relay_hour": round(changes / relays / hours, 3),
        "unforced_per_relay_hour": round(unforced / relays / hours, 3),
    }


def _outages(world: World, killed_at: float | None) -> dict[str, Any]:
    begin = -math.inf if killed_at is None else killed_at
    outages = [outage for outage in (*world.feeding.outages, *world.audience.outages) if outage.end >= begin]
    dark = _still_dark(world)
    affected = sum(outage.viewers for outage in outages) + dark
    watching = sum(feed.viewers for feed in world.feeding.all())
    detect = world.scenario.detect_seconds
    longest = max((outage.end - outage.begin for outage in outages), default=0.0)
    within = sum(outage.viewers for outage in outages if _length(outage, begin) <= detect + 1.0)
    return {
        "viewers": affected,
        "of_viewers": watching,
        "still_dark": dark,
        "dropped": sum(outage.viewers for outage in outages if outage.dropped),
        "seconds_p50": round(_percentile_weighted(outages, 0.5), 3),
        "seconds_p99": round(_percentile_weighted(outages, 0.99), 3),
        "seconds_max": round(longest, 3),
        "share_within_1s": round(within / affected, 5) if affected else 1.0,
        "share_of_all_within_1s": round(1 - (affected - within) / watching, 5) if watching else 1.0,
        "all_after_detection_s": round(max(0.0, longest - detect), 3),
    }


def _length(outage: Outage, begin: float) -> float:
    return outage.end - max(begin, outage.begin)


def _still_dark(world: World) -> int:
    waiting = sum(1 for viewer in world.audience.viewers.values() if viewer.dark_since >= 0 and not viewer.displaced)
    return waiting + sum(feed.viewers for feed in world.feeding.all() if not feed.fed)


def _percentile_weighted(outages: Sequence[Outage], share: float) -> float:
    left = share * sum(outage.viewers for outage in outages)
    for outage in sorted(outages, key=lambda outage: outage.end - outage.begin):
        left -= outage.viewers
        if left <= 0:
            return outage.end - outage.begin
    return 0.0


def _counters(world: World) -> dict[str, int]:
    total: dict[str, int] = {}
    for host in world.hosts.values():
        for name, count in host.tree.counters.items():
            total[name] = total.get(name, 0) + count
    return dict(sorted(total.items()))
