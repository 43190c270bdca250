"""The final tree of a small run as an SVG: carriers by depth, coloured by region, as large as their audience."""

import math
from html import escape
from uuid import UUID

from swarm.simulate.feeding import Feed
from swarm.simulate.world import World

_COLOURS = ("#3b82c4", "#d9822b", "#3f9d5a", "#b0569a", "#8a7f2c", "#c44e4e")
_ROW = 110
_COLUMN_MIN, _COLUMN_MAX = 7.0, 46.0
_WIDTH = 7000
"""A tree that would be wider is drawn closer."""

_MARGIN = 60
_RADIUS_MIN, _RADIUS_MAX = 4.0, 20.0

_STYLE = """
  svg { background: #ffffff; font: 12px system-ui, sans-serif }
  text { fill: #333333 } .faint { fill: #777777 } .pipe { stroke: #aaaaaa; fill: none; stroke-width: 1.4 }
  .far { stroke-dasharray: 5 3 } .owner { stroke: #111111; stroke-width: 2.5 } .count { fill: #ffffff; font-size: 11px }
  @media (prefers-color-scheme: dark) {
    svg { background: #16181c } text { fill: #dddddd } .faint { fill: #999999 } .pipe { stroke: #666666 }
    .owner { stroke: #ffffff } .count { fill: #ffffff }
  }
"""


def draw(world: World, producer: UUID) -> str:
    """The tree of one producer; empty but for its legend when nobody carries it."""
    feeds = [feed for feed in world.feeding.all() if feed.producer == producer and feed.fed]
    root = next((feed for feed in feeds if feed.origin), None)
    places: dict[int, tuple[float, int]] = {}
    width = _lay_out(world, root, 0, 0.0, places) if root is not None else 0.0
    depth = max((row for _, row in places.values()), default=0)
    most = max((feed.viewers for feed in feeds), default=0)
    column = min(_COLUMN_MAX, max(_COLUMN_MIN, _WIDTH / max(width, 8)))
    size = (int(2 * _MARGIN + max(width, 8) * column), 2 * _MARGIN + depth * _ROW + 50)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" role="img" '
        f'aria-label="relay tree">\n<style>{_STYLE}</style>'
    ]
    places = {key: (x * column, row) for key, (x, row) in places.items()}
    shown = [feed for feed in feeds if id(feed) in places]
    parts += [_pipe(world, feed, places) for feed in shown if feed.source is not None]
    largest = max(_RADIUS_MIN, min(_RADIUS_MAX, 0.47 * column))
    parts += [_carrier(world, feed, places[id(feed)], most, largest) for feed in shown]
    parts += _rows(depth)
    parts += _legend(world, feeds, size[1])
    return "\n".join([*parts, "</svg>\n"])


def _lay_out(world: World, feed: Feed, row: int, left: float, places: dict[int, tuple[float, int]]) -> float:
    """Columns the subtree takes, every carrier in the middle of what is below it."""
    below = sorted(
        (taker for taker in feed.takers.values() if taker.source is feed and taker.fed),
        key=lambda taker: (world.hosts[taker.node].region, world.hosts[taker.node].name),
    )
    taken = 0.0
    for taker in below:
        taken += _lay_out(world, taker, row + 1, left + taken, places)
    taken = max(taken, 1.0)
    places[id(feed)] = left + taken / 2, row
    return taken


def _at(place: tuple[float, int]) -> tuple[float, float]:
    return _MARGIN + place[0], _MARGIN + place[1] * _ROW


def _pipe(world: World, feed: Feed, places: dict[int, tuple[float, int]]) -> str:
    assert feed.source is not None
    (x1, y1), (x2, y2) = _at(places[id(feed.source)]), _at(places[id(feed)])
    far = world.hosts[feed.node].region != world.hosts[feed.source.node].region
    middle = (y1 + y2) / 2
    return (
        f'<path class="pipe{" far" if far else ""}" '
        f'd="M{x1:.1f},{y1:.1f} C{x1:.1f},{middle:.1f} {x2:.1f},{middle:.1f} {x2:.1f},{y2:.1f}"/>'
    )


def _carrier(world: World, feed: Feed, place: tuple[float, int], most: int, largest: float) -> str:
    host, (x, y) = world.hosts[feed.node], _at(place)
    smallest = min(_RADIUS_MIN, largest)
    radius = smallest + (largest - smallest) * math.sqrt(feed.viewers / most if most else 0)
    title = f"{host.name}, {world.geography.names[host.region]}: {feed.viewers} viewers, {len(feed.takers)} relays"
    count = f'<text class="count" x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle">{feed.viewers}</text>'
    owner = ' class="owner"' if feed.origin else ""
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{_COLOURS[host.region]}"'
        f"{owner}><title>{escape(title)}</title></circle>"
        f"{count if feed.viewers and radius > 9 else ''}"
    )


def _rows(depth: int) -> list[str]:
    names = ["owner", *(f"depth {row}" for row in range(1, depth + 1))]
    return [
        f'<text class="faint" x="8" y="{_MARGIN + row * _ROW - 26}">{name}</text>' for row, name in enumerate(names)
    ]


def _legend(world: World, feeds: list[Feed], height: int) -> list[str]:
    parts, x, y = [], _MARGIN, height - 22
    for region, name in enumerate(world.geography.names):
        count = sum(1 for feed in feeds if world.hosts[feed.node].region == region)
        parts.append(f'<circle cx="{x}" cy="{y - 4}" r="6" fill="{_COLOURS[region]}"/>')
        parts.append(f'<text x="{x + 11}" y="{y}">{name}: {count}</text>')
        x += 76
    viewers = sum(feed.viewers for feed in feeds)
    parts.append(
        f'<text class="faint" x="{_MARGIN}" y="{y + 17}">{len(feeds)} carriers, {viewers} viewers; '
        "dashed: between regions</text>"
    )
    return parts
