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
    rtp_repeated: int = 0
    """What a new parent sent of a stream while the old one still fed it, and had brought that packet before."""
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
    nacks_sent: int = 0
    """Sequence numbers that were asked for, each as often as it was."""
    packets_repaired: int = 0
    """Missing packets that came by RTX; plain retransmissions look like late packets."""
    rtx_unneeded: int = 0
    """RTX that carried what had come already or is too old, and probes that carried nothing."""
    nacks_received: int = 0
    """Sequence numbers that consumers reported as lost."""
    nacks_unknown: int = 0
    """Of those received: never sent in this run of the track, in no cache any more, or too long for RTX."""
    nacks_too_late: int = 0
    """Too old for a receiver without RTX: its SRTP would see a replay."""
    nacks_too_soon: int = 0
    """Asked for again while the retransmission was under way."""
    nacks_over_budget: int = 0
    """Beyond what one consumer may ask for."""
    packets_retransmitted: int = 0
    bytes_retransmitted: int = 0
    catch_ups: int = 0
    """Viewers that began with a keyframe from the cache."""
    pipes_resumed: int = 0
    """Tracks of pipes that began with packets from the cache: where the other end had stopped, or with a keyframe."""
    catch_ups_abandoned: int = 0
    """Of them, those that could not catch up and waited for a keyframe after all."""
    viewers_skipped: int = 0
    """Times a viewer's video was dropped to the next keyframe because its packets could not be sent."""
    keyframe_requests_received: int = 0
    keyframe_requests_sent: int = 0
