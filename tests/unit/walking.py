"""Every container that an object of ours holds in an attribute: whichever is alive in this process is looked at."""

import ast
import gc
from collections import deque
from collections.abc import Iterator, MutableMapping, MutableSequence, MutableSet
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGES = ("foundation", "media", "dht", "swarm")
OTHER_PROGRAMS = ("swarm.client", "swarm.bench", "swarm.demo", "swarm.simulate", "swarm.workers.supervisor")
"""No part of a node: the programs around it, and the simulator."""


def containers() -> Iterator[tuple[str, int]]:
    """`module:Class.attribute` and the length of each; with `[]` at the end for what is in a container itself."""
    for thing in gc.get_objects():
        kind = type(thing)
        module = getattr(kind, "__module__", None)
        if not isinstance(module, str) or module.partition(".")[0] not in PACKAGES or module.startswith(OTHER_PROGRAMS):
            continue
        for owner, name, value in _attributes(thing):
            yield from _lengths(f"{owner.__module__}:{owner.__qualname__}.{name}", value)


def longest() -> dict[str, int]:
    """The greatest length of each that there is now."""
    found: dict[str, int] = {}
    for name, length in containers():
        found[name] = max(length, found.get(name, 0))
    return found


def _attributes(thing: Any) -> Iterator[tuple[type, str, Any]]:
    """With the class of ours that is highest up among those which have it, so that a name is the same in subclasses."""
    kind = type(thing)
    for name, value in tuple(getattr(thing, "__dict__", {}).items()):
        yield _home(kind, name), name, value
    for base in kind.__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(thing, name):
                yield _home(base, name), name, getattr(thing, name)


def _home(kind: type, name: str) -> type:
    ours = [base for base in kind.__mro__ if base.__module__.partition(".")[0] in PACKAGES]
    return ours[0] if ours else kind


def _lengths(name: str, value: Any) -> Iterator[tuple[str, int]]:
    if not _is_container(value):
        return
    yield name, len(value)
    inner = value.values() if isinstance(value, MutableMapping) else value
    for each in tuple(inner):
        yield from _lengths(f"{name}[]", each)


def _is_container(value: Any) -> bool:
    return isinstance(value, MutableMapping | MutableSequence | MutableSet | deque) and not isinstance(value, bytearray)


_KINDS = {"dict", "list", "set", "deque", "Counter", "OrderedDict", "defaultdict", "bytearray"}


def written() -> Iterator[str]:
    """`module:Class.attribute` of each container that the source of a node says it has, alive or not."""
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        module = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        if module.startswith(OTHER_PROGRAMS):
            continue
        for kind in (each for each in ast.walk(ast.parse(path.read_text())) if isinstance(each, ast.ClassDef)):
            for line in ast.walk(kind):
                if isinstance(line, ast.AnnAssign) and _kept(line, kind) and _root(line.annotation) in _KINDS:
                    yield f"{module}:{kind.name}.{_target(line.target)}"


def _kept(line: ast.AnnAssign, kind: ast.ClassDef) -> bool:
    """Whether it is an attribute: `self.name: ...`, or a field of a dataclass."""
    return isinstance(line.target, ast.Attribute) or line in kind.body


def _target(target: ast.expr) -> str:
    assert isinstance(target, ast.Attribute | ast.Name)
    return target.attr if isinstance(target, ast.Attribute) else target.id


def _root(annotation: ast.expr) -> str:
    while isinstance(annotation, ast.Subscript):
        annotation = annotation.value
    return annotation.id if isinstance(annotation, ast.Name) else ""
