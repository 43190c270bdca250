"""Every bound of a node, in one place, each with its unit in the name and its reason beside it.

Full means: drop, count, go on. Sections are named after the package that uses them.
"""

# --- media: the port -------------------------------------------------------------------------------------------------
datagram_bytes_max = 1500
"""An Ethernet frame's payload; larger datagrams are nobody's who speaks WebRTC (they use 1200)."""

datagrams_per_wake_max = 256
"""Drained per readiness event, then the loop gets its turn: at 5 µs each that is about 1 ms of the loop's time."""

# --- dht -------------------------------------------------------------------------------------------------------------

# --- swarm -----------------------------------------------------------------------------------------------------------
