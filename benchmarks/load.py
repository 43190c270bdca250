"""The load of `swarmd bench` (`swarm.bench.load`), which benchmarks use too."""

from swarm.bench.load import (
    Answer,
    Client,
    FrameSource,
    offer,
    open_socket,
    read_answer,
    reporting,
    starts_vp8_keyframe,
)

__all__ = [
    "Answer",
    "Client",
    "FrameSource",
    "offer",
    "open_socket",
    "read_answer",
    "reporting",
    "starts_vp8_keyframe",
]
