"""The tests that docs/security.md and docs/bugs.md name are there."""

import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
_ROWS_AT_LEAST = 12


def named(document: str) -> list[tuple[str, str]]:
    return _NAMED.findall((_ROOT / "docs" / document).read_text())


@pytest.mark.parametrize("document", ["security.md", "bugs.md"])
def test_the_tests_that_are_named_exist(document: str) -> None:
    for file, test in named(document):
        source = _ROOT / file
        assert source.is_file(), file
        assert not test or re.search(rf"^(async )?def {test}\(", source.read_text(), re.MULTILINE), f"{file}::{test}"


def test_every_attack_of_the_list_has_a_test() -> None:
    _, _, table = (_ROOT / "docs" / "security.md").read_text().partition("## What holds it")
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= _ROWS_AT_LEAST
    assert all(_NAMED.search(row) for row in rows)
