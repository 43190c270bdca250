"""The SFU: one UDP port, ICE-lite, DTLS-SRTP transports, router, producers, consumers. It knows nothing of swarms."""
