"""Hanging better: a relay moves to one of its backups when that brings the stream sooner, or from its own region.

Rarely, and only for a gain that is worth it: without these bounds a thousand nodes changed their parents 223 times
an hour each, and nobody was better off.
"""

from foundation import limits
from swarm.tree.backups import Backups
from swarm.tree.bonds import Bonds
from swarm.tree.carriage import Carriage, KnownBackup
from swarm.tree.moving import Moves
from swarm.tree.state import RelayState


class Improving:
    """Each stream is looked at every half minute or so; one move of this node at a time, for whatever stream."""

    def __init__(self, state: RelayState, bonds: Bonds, moves: Moves, backups: Backups) -> None:
        self._state = state
        self._bonds = bonds
        self._moves = moves
        self._backups = backups
        self._moved_at = float("-inf")

    def later(self, carriage: Carriage, now: float) -> None:
        """The next look, at a time that no two nodes share."""
        pause = self._state.rng.uniform(1.0, 2.0) * limits.improvement_seconds
        self._state.deadlines.set(("improve", carriage.producer), now + pause)

    def due(self, carriage: Carriage, now: float) -> None:
        """Moves, if some backup is better by enough."""
        self.later(carriage, now)
        if carriage.parent is None or now - self._moved_at < limits.improvement_seconds:
            return
        better = [backup for backup in self._backups.warm(carriage) if self._better(carriage, backup)]
        better.sort(key=lambda backup: self._delay_ms(backup))
        if better and self._moves.begin(carriage, [better[0].record.contact], now):
            self._moved_at = now
            self._state.counters["improvements_tried"] += 1

    def _better(self, carriage: Carriage, backup: KnownBackup) -> bool:
        state = self._state
        if backup.node not in state.links or state.rtt(backup.node) is None:
            return False
        if carriage.children and backup.rank >= carriage.rank:
            return False
        parent, region = state.links.get(carriage.parent or b""), state.me.region
        gain_ms = carriage.delay_ms - self._delay_ms(backup)
        if gain_ms >= limits.improvement_ms_min + limits.improvement_share_min * carriage.delay_ms:
            return True
        from_elsewhere = parent is not None and bool(region) and parent.region != region
        return from_elsewhere and backup.record.region == region and gain_ms >= -limits.improvement_ms_min

    def _delay_ms(self, backup: KnownBackup) -> int:
        return self._bonds.delay_ms(backup.node, backup.delay_ms)
