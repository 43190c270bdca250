"""What `swarmd demo --check` looks at: from what the viewers got and what the nodes say, to a list of verdicts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from swarm.client.watch import Watched

_counters_min = 30
"""New pictures in the time of watching, a second's worth: fewer is a picture that hangs more than it moves."""

_sounding_min = 25
"""Audio frames that are not silent, half a second's worth."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the table."""

    what: str
    passed: bool
    found: str


@dataclass(frozen=True, slots=True)
class Viewed:
    """One viewer at the beginning and at the end of the time of watching."""

    name: str
    before: Watched
    after: Watched


def verdicts(
    viewers: Sequence[Viewed], nodes: Mapping[str, Mapping[str, Any]], tree: Mapping[str, Any]
) -> list[Verdict]:
    """Everything that must hold; `nodes` are `/api/v1/node` by name, `tree` is `/api/v1/producers/{uuid}/tree`."""
    names = {str(node.get("id")): name for name, node in nodes.items()}
    return [
        *(_moving(viewed) for viewed in viewers),
        *(_sounding(viewed) for viewed in viewers),
        *(_not_decoding(name, node) for name, node in nodes.items()),
        _relay_of_a_relay(tree.get("root", {}), names),
    ]


def _moving(viewed: Viewed) -> Verdict:
    after = viewed.after
    shown = after.counters - viewed.before.counters
    grown = (after.counter or 0) - (viewed.before.counter or 0)
    return Verdict(
        f"pictures move at the viewer of {viewed.name}",
        shown >= _counters_min and grown >= _counters_min,
        f"{shown} pictures of {after.width}x{after.height}, counter grew by {grown}, {after.lost} lost",
    )


def _sounding(viewed: Viewed) -> Verdict:
    sounding = viewed.after.sounding - viewed.before.sounding
    heard = viewed.after.audio_frames - viewed.before.audio_frames
    return Verdict(
        f"sound is heard at the viewer of {viewed.name}",
        sounding >= _sounding_min,
        f"{sounding} of {heard} audio frames with sound",
    )


def _not_decoding(name: str, node: Mapping[str, Any]) -> Verdict:
    decoders = node.get("decoders")
    return Verdict(f"node {name} decodes nothing", decoders == 0, f"{decoders} decoders")


def _relay_of_a_relay(root: Mapping[str, Any], names: Mapping[str, str]) -> Verdict:
    longest = max(_paths(root), key=len)
    way = " → ".join(names.get(node, node[:12]) for node in longest)
    return Verdict("a relay is fed by a relay", len(longest) >= 3, way or "no tree")


def _paths(carrier: Mapping[str, Any]) -> Iterator[list[str]]:
    """Each way from this carrier to a leaf, as node ids."""
    here = [str(carrier["node"])] if "node" in carrier else []
    children = carrier.get("children") or []
    if not children:
        yield here
    for child in children:
        for path in _paths(child):
            yield here + path
