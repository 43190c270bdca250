"""Whether what a user's policy answers is an answer: its types are only known when it has answered."""

from collections.abc import Sequence

from swarm.policy import Candidate


def yes_or_no(verdict: object) -> bool:
    """Raises `TypeError`."""
    if not isinstance(verdict, bool):
        raise TypeError(f"busy gave {verdict!r}: it has to be True or False")
    return verdict


def room_verdict(verdict: object) -> int:
    """Raises `TypeError` and `ValueError`."""
    if not isinstance(verdict, int) or isinstance(verdict, bool):
        raise TypeError(f"a room is {verdict!r}: it has to be an int")
    if verdict < 0:
        raise ValueError(f"a room is {verdict}: it has to be 0 or more")
    return verdict


def candidates_verdict(verdict: object, given: Sequence[Candidate]) -> list[Candidate]:
    """Some of those given, each once. Raises `TypeError` and `ValueError`."""
    if not isinstance(verdict, list):
        raise TypeError(f"rank gave {type(verdict).__name__}: it has to be a list of the candidates")
    unused = {id(candidate) for candidate in given}
    for candidate in verdict:
        if id(candidate) not in unused:
            raise ValueError("rank gave something twice, or that is none of the candidates")
        unused.remove(id(candidate))
    return verdict
