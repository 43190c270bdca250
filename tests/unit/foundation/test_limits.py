import re
from pathlib import Path

from foundation import limits


def names() -> list[str]:
    source = Path(limits.__file__).read_text()
    return re.findall(r"^([A-Za-z_]\w*)(?:: \w+)? = ", source, re.MULTILINE)


def test_no_limit_is_defined_twice() -> None:
    assert len(names()) == len(set(names()))


def test_every_limit_is_a_positive_number_with_its_reason_below() -> None:
    source = Path(limits.__file__).read_text()
    for name in names():
        assert getattr(limits, name) > 0
        assert re.search(rf'^{name} = .*\n"""\S', source, re.MULTILINE), f"{name} has no reason"
