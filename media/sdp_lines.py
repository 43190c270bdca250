"""The text of a session description as sections of attributes, bounded before anything in it is looked at."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from foundation import limits
from foundation.errors import BadOffer

_control = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(slots=True)
class Section:
    """The session part, or one m-line with what follows it: attribute values by name, in order."""

    head: str = ""
    attributes: dict[str, list[str]] = field(default_factory=dict)

    def all(self, name: str) -> Sequence[str]:
        return self.attributes.get(name, ())

    def first(self, name: str) -> str | None:
        values = self.attributes.get(name)
        return values[0] if values else None


def split_sections(text: str) -> tuple[Section, list[Section]]:
    """The session part and the m-lines. Raises `BadOffer` for control characters and for what is too long."""
    if len(text) > limits.offer_bytes_max:
        refuse(f"it is longer than {limits.offer_bytes_max} bytes")
    if _control.search(text):
        refuse("it has control characters")
    lines = text.split("\n")
    if len(lines) > limits.sdp_lines_max:
        refuse(f"it has more than {limits.sdp_lines_max} lines")
    if lines[0].rstrip("\r") != "v=0":
        refuse("it does not begin with v=0")
    found = [Section()]
    for number, line in enumerate(lines, 1):
        line = line.removesuffix("\r")
        if "\r" in line or (line and not ("a" <= line[0] <= "z" and line[1:2] == "=")):
            refuse(f"line {number} is not TYPE=VALUE")
        if line.startswith("m="):
            found.append(Section(line[2:]))
        elif line.startswith("a="):
            name, _, value = line[2:].partition(":")
            found[-1].attributes.setdefault(name, []).append(value.strip())
    return found[0], found[1:]


def refuse(reason: str) -> NoReturn:
    """Raises `BadOffer` with the reason; it must not hold anything of the offer but what was checked."""
    raise BadOffer(f"The SDP offer cannot be used: {reason}.")
