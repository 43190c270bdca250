"""A placement policy: this node is half for relays, and everybody is served by carriers of their own region first.

Run a node with it: `swarmd run --region eu --policy examples/policy_by_region.py`. Edit it, send the node SIGHUP, and
the new version decides; nobody who watches notices. `docs/placement.md` says what each method is asked.
"""

from collections.abc import Sequence

from swarm.config import Config
from swarm.policy import Candidate, DefaultPolicy, Load

VIEWERS_SHARE = 0.5
"""Of the slots, at most for viewers: this node is here for relays of its region above all."""


class RegionFirst(DefaultPolicy):
    """What is not said here is as by default."""

    def __init__(self, config: Config) -> None:
        super().__init__(config.max_consumers)
        self.region = config.region

    def room(self, load: Load, for_relay: bool) -> int:
        room = super().room(load, for_relay)
        if for_relay:
            return room
        return max(0, min(room, int(VIEWERS_SHARE * self.slots(load)) - load.viewers))

    def rank(self, candidates: Sequence[Candidate], for_relay: bool, region: str = "") -> list[Candidate]:
        """A carrier of the asker's region before any other, however deep it is."""
        ranked = super().rank(candidates, for_relay, region)
        wanted = region or self.region
        return sorted(ranked, key=lambda candidate: (candidate.room(for_relay) == 0, candidate.record.region != wanted))


def policy(config: Config) -> RegionFirst:
    """What `swarmd run --policy` calls."""
    return RegionFirst(config)
