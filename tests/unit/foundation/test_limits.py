import re
from pathlib import Path
from types import ModuleType

import pytest

from foundation import limits, process_limits

both = pytest.mark.parametrize("module", [limits, process_limits])


def source(module: ModuleType) -> str:
    assert module.__file__ is not None
    return Path(module.__file__).read_text()


def names(module: ModuleType) -> list[str]:
    return re.findall(r"^([A-Za-z_]\w*)(?:: \w+)? = ", source(module), re.MULTILINE)


def test_no_limit_is_defined_twice() -> None:
    every = names(limits) + names(process_limits)
    assert len(every) == len(set(every))


@both
def test_every_limit_is_a_positive_number_with_its_reason_below(module: ModuleType) -> None:
    for name in names(module):
        assert getattr(module, name) > 0
        assert re.search(rf'^{name} = .*\n"""\S', source(module), re.MULTILINE), f"{name} has no reason"
