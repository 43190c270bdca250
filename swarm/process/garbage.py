"""Seldom looks for garbage in all that a node holds: a node of 220 clients stands still for 50-70 ms while Python does.

Python collects everything once the young objects that stayed have grown by a quarter, and packets kept to be sent again
look like such growth: at 100,000 packets/s out that was every 3-7 s, and alone made p99 of the delay which a node adds
45 ms; without, it is 1.4 ms (`python -m benchmarks.delay`). Reference counts free what packets and transports used.
"""

import gc

_full_collection_after = 1000
"""Collections of middle-aged objects, ten by default: minutes under load. Of a client that left some 19 KB wait for it,
and 3500 clients who come and go bring it about: 65 MB at worst."""


def collect_seldom() -> None:
    """For a process that is a node and nothing else, once it has started: what it has by then is kept for good."""
    young, middle, _ = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(young, middle, _full_collection_after)
