"""The one error tree.

What arrives from the network raises `RemoteError`, what our own callers got wrong raises `LocalError`, and our own
bugs are assertions. Whoever catches a `RemoteError` throws away the one session it came from; the node lives.
"""


class SwarmdError(Exception):
    """The root: its text is one sentence that may be shown to the person who caused it."""


class RemoteError(SwarmdError):
    """A peer, a client or a datagram broke a rule; nothing of ours is wrong."""


class LocalError(SwarmdError):
    """Our caller (an operator, an embedding program) asked for something that cannot be."""


class Replayed(RemoteError):
    """An SRTP packet which came before, or is too old to tell: no sign of a wrong key."""


class BadOffer(RemoteError):
    """An SDP offer that cannot be parsed, or breaks a rule every offer has to keep (HTTP 400)."""


class NoCommonCodec(RemoteError):
    """A readable SDP offer which shares no codec with what would be sent or received (HTTP 422)."""


class ProducerTaken(RemoteError):
    """The producer id is live already, here or on another node (HTTP 409)."""


class NoSuchProducer(RemoteError):
    """No live producer has this id, as far as the swarm knows (HTTP 409 with Retry-After for WHEP)."""


class SwarmFull(RemoteError):
    """Neither this node nor any carrier it was sent to has room (HTTP 503 with Retry-After)."""


class BadToken(RemoteError):
    """An access token or ticket that is not valid, or no longer (HTTP 401)."""


class ConfigError(LocalError):
    """A wrong option, file or address; the daemon prints the text as one line and exits with code 2."""
