"""A moment of fuzzing: each parser gets its good inputs whole, cut, spoiled and with a tail, and anything else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_good_inputs_and_former_defects_are_parsed_or_refused(name: str) -> None:
    assert seeds(name)
    for data in seeds(name):
        TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
def test_a_cut_input_is_parsed_or_refused(name: str) -> None:
    for data in seeds(name):
        for length in range(0, len(data), max(1, len(data) // 200)):
            TARGETS[name](data[:length])


@pytest.mark.parametrize("name", TARGETS)
@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_a_spoiled_input_is_parsed_or_refused(name: str, data: st.DataObject) -> None:
    spoiled = bytearray(data.draw(st.sampled_from(seeds(name))))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(spoiled)))
        spoiled[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    TARGETS[name](bytes(spoiled))


@pytest.mark.parametrize("name", TARGETS)
@settings(deadline=None, max_examples=100)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_parsed_or_refused(name: str, data: bytes) -> None:
    TARGETS[name](data)
