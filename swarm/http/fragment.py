"""Trickle-ICE fragments (RFC 8840 section 9), as far as an ICE-lite node needs them: are they valid, is it a restart?

Sans-IO. The candidates themselves are not used: an ICE-lite node learns its peer's addresses from the peer's checks.
"""

import re
from collections.abc import Iterator

from foundation.errors import RemoteError

_LINE = re.compile(r"[a-z]=[^\x00-\x08\x0a-\x1f\x7f]*")
_CANDIDATE = re.compile(r"candidate:\S{1,32} \d{1,5} \S{1,16} \d{1,10} \S{1,253} \d{1,5} typ [a-z]{1,16}(?: .*)?")
_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
"""RFC 8839 section 5.4."""


def offered_ufrags(offer: str) -> frozenset[str]:
    """The ICE user name fragments of an SDP offer or fragment, valid or not."""
    return frozenset(_ufrags(offer.splitlines()))


def fragment_ufrags(fragment: str) -> frozenset[str]:
    """The ICE user name fragments of a trickle fragment; those that are not the offer's ask for an ICE restart.

    Raises `RemoteError` for what is not a fragment: foreign lines, no attribute at all, malformed candidates.
    """
    lines = [line for line in re.split(r"\r\n|\n|\r", fragment) if line]
    attributes = [line[2:] for line in lines if line.startswith("a=")]
    if not attributes or not all(_LINE.fullmatch(line) for line in lines):
        raise RemoteError("The fragment is not a list of SDP attributes.")
    for attribute in attributes:
        if attribute.startswith("candidate:") and not (attribute == "candidate:" or _CANDIDATE.fullmatch(attribute)):
            raise RemoteError("The fragment has a malformed candidate.")
    ufrags = frozenset(_ufrags(lines))
    if not all(_UFRAG.fullmatch(ufrag) for ufrag in ufrags):
        raise RemoteError("The fragment has a malformed ice-ufrag.")
    return ufrags


class OfferedUfrags:
    """Which ICE user name fragments each session was offered with: the newest `sessions_max` sessions.

    A restart may only be told by its user name fragment, because players send `If-Match: *` with plain trickling too.
    """

    def __init__(self, sessions_max: int) -> None:
        self._sessions_max = sessions_max
        self._of_session: dict[str, frozenset[str]] = {}

    def __len__(self) -> int:
        return len(self._of_session)

    def remember(self, session_id: str, offer: str) -> None:
        self._of_session[session_id] = offered_ufrags(offer)
        while len(self._of_session) > self._sessions_max:
            del self._of_session[next(iter(self._of_session))]

    def forget(self, session_id: str) -> None:
        self._of_session.pop(session_id, None)

    def is_restart(self, session_id: str, ufrags: frozenset[str]) -> bool:
        """Whether a fragment with these names begins a new ICE session; of a forgotten session nothing is known."""
        offered = self._of_session.get(session_id)
        return offered is not None and not ufrags <= offered


def _ufrags(lines: list[str]) -> Iterator[str]:
    prefix = "a=ice-ufrag:"
    return (line[len(prefix) :].strip() for line in lines if line.startswith(prefix))
