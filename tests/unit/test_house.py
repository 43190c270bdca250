"""The walls that import-linter cannot draw: top-level modules, and single modules for each third-party stack."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("foundation", "media", "dht", "swarm")


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in [ROOT / "cli.py", *(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))]:
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def imported(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def importers(stack: str) -> set[str]:
    return {name for name, tree in modules() if any(module.split(".")[0] == stack for module in imported(tree))}


def test_the_command_line_reaches_media_and_dht_only_through_swarm() -> None:
    tops = {module.split(".")[0] for module in imported(dict(modules())["cli.py"])}
    assert not tops & {"media", "dht"}


def test_nobody_imports_the_command_line() -> None:
    assert importers("cli") == set()


def test_the_kademlia_stack_is_imported_by_the_overlay_alone() -> None:
    assert importers("kademlia") | importers("rpcudp") == {
        "dht/overlay.py",
        "dht/overlay_calls.py",
        "dht/overlay_table.py",
    }


def test_libsrtp_is_imported_by_the_packet_path_alone() -> None:
    assert importers("pylibsrtp") <= {"media/srtp.py", "media/forward.py", "media/dtls.py"}


def test_no_task_is_made_outside_a_scope() -> None:
    loose = {
        name
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("create_task", "ensure_future")
    }
    assert loose == {"foundation/tasks.py"}


def test_every_file_has_one_concept_and_at_most_500_lines() -> None:
    long = {name for name, _ in modules() if len((ROOT / name).read_text().splitlines()) > 500}
    assert long == set()
