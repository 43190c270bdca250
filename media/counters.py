"""What happened to packets on this node since it started: plain integers that only grow."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Of all sessions of one router together."""

    rtp_received: int = 0
    rtp_malformed: int = 0
    rtp_unknown_ssrc: int = 0
    """An SSRC that is bound to no track, and none could be found for it."""
    rtp_unknown_payload_type: int = 0
    """A bound SSRC with a payload type that was not agreed: RTX, RED, comfort noise."""
    rtp_refused: int = 0
    """Duplicates, packets much too late, and the first one after a jump of the sequence numbers."""
    packets_forwarded: int = 0
    bytes_forwarded: int = 0
    """RTP, without SRTP's tag and the headers below."""
    packets_unsent: int = 0
    """Protected, but the socket would not take them: lost to that consumer."""
    packets_unprotected: int = 0
    """SRTP refused them (an index used before, or one too old); never sent."""
    rtcp_received: int = 0
    rtcp_malformed: int = 0
    rtcp_unknown_ssrc: int = 0
    """Reports and requests about an SSRC which is not, or no more, on that transport."""
    nacks_received: int = 0
    """Sequence numbers that consumers reported as lost."""
    keyframe_requests_received: int = 0
    keyframe_requests_sent: int = 0
