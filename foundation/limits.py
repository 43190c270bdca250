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
