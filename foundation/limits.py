"""Every bound of a node, in one place, each with its unit in the name and its reason beside it.

Full means: drop, count, go on. Sections are named after the package that uses them.
"""

# --- media: the port -------------------------------------------------------------------------------------------------
datagram_bytes_max = 1500
"""An Ethernet frame's payload; larger datagrams are nobody's who speaks WebRTC (they use 1200)."""

datagrams_per_wake_max = 256
"""Drained per readiness event, then the loop gets its turn: at 5 µs each that is about 1 ms of the loop's time."""

# --- media: RTP ------------------------------------------------------------------------------------------------------
sequence_late_max = 512
"""How far behind the newest packet a late one is still taken: a second at 5 Mbit/s, inside SRTP replay windows."""

sequence_jump_max = 3000
"""RFC 3550 A.1 MAX_DROPOUT: a larger step ahead is a source that began anew, once its next packet agrees."""

late_run_packets_max = 32
"""Packets in a row, just too late, before they are believed to be a source that began anew at such numbers."""

keyframe_gap_seconds_min = 1.0
"""Between two keyframe requests to one source: a keyframe costs its publisher several times a usual frame."""

keyframe_retries_max = 3
"""Of a request no keyframe answered (the request may be lost); publishers that never answer are then left in peace."""

# --- media: forwarding -----------------------------------------------------------------------------------------------
producers_per_node_max = 10_000
"""More than one event loop could ever forward: 10,000 audio streams of 50 packets/s are half a million packets/s."""

consumers_per_producer_max = 10_000
"""A placement policy says no long before; this keeps a burst to all consumers of a producer under a second."""

consumers_per_session_max = 4096
"""A viewer has one; a link has one per piped producer, and half of a full node's may go to one neighbour."""

burst_packets_max = 40
"""Of one track handled at once: 40 datagrams of 1500 bytes and their tags are 60 KB, what one GSO send can take (64 KB)."""

padding_part_max = 32
"""RTP padding may add 1/32 to a packet to make it as long as its neighbours: a second send would cost 3 packets' time."""

ssrc_change_gap_seconds_min = 1.0
"""Between two changes of a track's SSRC: each makes consumers start anew, and no honest publisher needs more."""

ssrcs_remembered_max = 8
"""Former SSRCs of a session: their late packets must not take the track back."""

ssrcs_unknown_max = 64
"""Distinct SSRCs of one publisher that fit no track (RTX and FEC make a handful): SRTP keeps state for each."""

report_gap_seconds = 1.0
"""Between two RTCP reports, times 0.5-1.5 (RFC 3550 6.3.1): browsers measure loss and RTT at about this pace."""

rtcp_compound_bytes_max = 1200
"""What fits every path; a link with many streams sends several compounds."""

# --- dht -------------------------------------------------------------------------------------------------------------

# --- swarm -----------------------------------------------------------------------------------------------------------

# --- swarm: clients --------------------------------------------------------------------------------------------------
redirects_max = 5
"""307s followed by one WHIP or WHEP request: a tree is rarely that deep, and a circle of redirects must end."""

answer_bytes_max = 256 * 1024
"""An SDP answer; a browser's largest have under 20 KB."""

api_bytes_max = 4 * 1024 * 1024
"""A JSON answer of a node's API: a tree of some 20,000 nodes."""

http_seconds_max = 15.0
"""One HTTP exchange of a client: a WHEP answer may wait for a lookup and a link, each a few seconds at worst."""

client_connect_seconds_max = 10.0
"""From the SDP answer to connected: ICE and DTLS take under 0.1 s on loopback, two lost flights of DTLS 3 s."""

client_close_seconds_max = 3.0
"""For a client to say goodbye; whoever does not answer by then is left."""

recorded_frames_max = 120
"""Frames waiting for the recorder's encoder: four seconds, then frames are dropped and counted."""

# --- swarm: HTTP -----------------------------------------------------------------------------------------------------
http_connections_max = 512
"""Half of the 1024 descriptors a process usually gets; a viewer needs its connection for one exchange only."""

http_keepalive_seconds = 15.0
"""How long a connection may be without a whole request: a dashboard asks every 2 s, a slow sender of headers never does."""

http_linger_seconds = 1.0
"""A refused body is still read for this long, so that its sender gets to see the refusal instead of a reset."""

http_shutdown_seconds = 2.0
"""What requests under way get when the server closes; a client that is cut off simply tries again elsewhere."""

http_body_seconds_max = 5.0
"""For a whole body to arrive: 64 KB take half of it on a line of 250 kbit/s, on which nobody watches video."""

offer_bytes_max = 65_536
"""Of an SDP offer: browsers send 6 to 15 KB, with simulcast and every codec under 30 KB."""

fragment_bytes_max = 16_384
"""Of a trickle-ICE fragment: about 100 candidates, where a host with many interfaces has 20."""

offer_seconds_max = 15.0
"""For a node to answer an offer, pull from another node included: a client would have given up by then."""

lookup_seconds_max = 10.0
"""For a lookup or a walk through a relay tree on behalf of an API client."""

absent_retry_seconds = 2
"""`Retry-After` where a stream is not live: soon enough to start with it, rare enough to wait for hours."""

full_retry_seconds = 5
"""`Retry-After` where there is no room: about what it takes to recruit a relay."""

offered_sessions_max = 20_000
"""Whose ICE names are kept to tell a restart from trickling: 100 bytes each, and more than a node ever serves."""
