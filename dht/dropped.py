"""Why a datagram was dropped, in a word, so that each reason has a counter of its own."""

from foundation.errors import RemoteError


class Dropped(RemoteError):
    """A datagram that never became a message of somebody's."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def reason_of(error: RemoteError) -> str:
    """The word for a counter; whatever says none is a message that was not as it should be."""
    return error.reason if isinstance(error, Dropped) else "malformed"
