"""Whom a child asks when its parent is gone: named by the parent while it lives, kept in mind by the child.

A child gets carriers at random that do not share its parent's fate, different ones than its siblings, so that a dead
parent's orphans spread; then the grandparent, then the owner. An owner names its children to each other: what those
pass on to their own children hangs elsewhere. Links to the first few are kept warm, never one to a node above.
"""

from collections import Counter
from collections.abc import Iterable

from foundation import limits
from foundation.errors import RemoteError
from foundation.identity import NodeId
from swarm.messages import Backup
from swarm.messages import Backups as BackupsMessage
from swarm.tree.actions import Connect
from swarm.tree.carriage import Carriage, Child, KnownBackup
from swarm.tree.state import RelayState


class Backups:
    """`due` tells the children, at most once every few seconds, and only those for whom something changed."""

    def __init__(self, state: RelayState) -> None:
        self._state = state

    # --- what the parent says ---

    def learn(self, carriage: Carriage, told: BackupsMessage, now: float) -> None:
        """The parent's list replaces the former one; forged records, this node and its children are left out."""
        known: dict[NodeId, KnownBackup] = {}
        for backup in told.backups:
            try:
                record = self._state.read_record(backup.record)
            except RemoteError:
                self._state.counters["candidates_invalid"] += 1
                continue
            if record.node not in (self._state.node, carriage.parent) and record.node not in carriage.children:
                known.setdefault(record.node, KnownBackup(record, backup.rank, backup.delay_ms))
        carriage.backups = tuple(known.values())
        self._warm_later(carriage, now)
        self._state.backups_stale(carriage, now)

    def warm(self, carriage: Carriage) -> Iterable[KnownBackup]:
        """Those to which a link is kept: the first few that are not above this node, those of its region first."""
        beside = [backup for backup in carriage.backups if backup.node not in carriage.lineage]
        beside.sort(key=lambda backup: backup.record.region != self._state.me.region)
        return beside[: limits.warm_backups_max]

    def keeps(self, node: NodeId) -> bool:
        """Whether a link to this node is kept for the time when some parent is gone."""
        return any(
            backup.node == node
            for carriage in self._state.carriages.values()
            if carriage.backups and carriage.parent is not None
            for backup in self.warm(carriage)
        )

    def link_down(self, node: NodeId, now: float) -> None:
        """A link that was kept is gone: perhaps its backup too, which dialing it anew will tell."""
        for carriage in self._state.carriages.values():
            if any(backup.node == node for backup in carriage.backups):
                self._warm_later(carriage, now)

    def unreachable(self, node: NodeId, now: float) -> None:
        """No link could be had: this one is no backup, nor one to name to children."""
        for carriage in self._state.carriages.values():
            kept = tuple(backup for backup in carriage.backups if backup.node != node)
            if len(kept) < len(carriage.backups) and node != carriage.lineage[0]:
                carriage.backups = kept
                self._state.backups_stale(carriage, now)
                self._warm_later(carriage, now)

    def warm_up(self, carriage: Carriage, now: float) -> None:
        """Gets the links up that are to be kept."""
        carriage.warmed_at = now
        for backup in self.warm(carriage):
            if backup.node not in self._state.links:
                self._state.do(Connect(backup.record.contact))

    def _warm_later(self, carriage: Carriage, now: float) -> None:
        """Soon, but not more than once in a few seconds, whatever a parent says."""
        key = "warm", carriage.producer
        if key not in self._state.deadlines:
            self._state.deadlines.set(key, max(now, carriage.warmed_at + limits.backups_seconds))

    # --- what the children are told ---

    def due(self, carriage: Carriage, now: float) -> None:
        """Tells every child whose backups are not what they were."""
        pool, above = self._pool(carriage), self._above(carriage)
        ranks = {backup.record: backup for backup in (*pool, *above)}
        uses = Counter(backup.record for child in carriage.children.values() for backup in child.backups)
        carriage.backups_told_at = now
        for child in carriage.children.values():
            if child.report is None:
                continue
            backups = self._chosen(child, pool, above, ranks, uses)
            if backups != child.backups:
                uses.subtract(backup.record for backup in child.backups)
                uses.update(backup.record for backup in backups)
                child.backups = backups
                self._state.send(child.node, BackupsMessage(child.request, carriage.producer, backups))

    def _chosen(
        self,
        child: Child,
        pool: list[Backup],
        above: list[Backup],
        now_valid: dict[bytes, Backup],
        uses: Counter[bytes],
    ) -> tuple[Backup, ...]:
        """What the child had stays as long as it is good: a link was made for it. New ones are those used least."""
        state, wanted = self._state, limits.backups_max - len(above)
        own = {candidate.record.encoded for candidate in child.below}
        if (record := state.links.get(child.node)) is not None:
            own.add(record.encoded)
        fit = {backup.record for backup in pool} - own
        chosen = [now_valid[backup.record] for backup in child.backups if backup.record in fit][:wanted]
        if len(chosen) < wanted:
            had = {backup.record for backup in chosen}
            others = [backup for backup in pool if backup.record in fit and backup.record not in had]
            state.rng.shuffle(others)
            others.sort(key=lambda backup: uses[backup.record])
            chosen += others[: wanted - len(chosen)]
        return (*chosen, *above)

    def _pool(self, carriage: Carriage) -> list[Backup]:
        """Carriers that outlive this node, as far as it knows: an owner's children, or what a relay's parent named."""
        if carriage.owned:
            return [
                Backup(record.encoded, carriage.rank + 1, child.report.delay_ms)
                for child in carriage.children.values()
                if child.report is not None
                and child.report.relay_room
                and (record := self._state.links.get(child.node)) is not None
            ]
        return [
            Backup(backup.record.encoded, backup.rank, backup.delay_ms)
            for backup in carriage.backups
            if backup.node not in carriage.lineage and backup.node not in carriage.children
        ]

    def _above(self, carriage: Carriage) -> list[Backup]:
        """The grandparent of the children, and the owner."""
        if carriage.parent is None:
            return []
        found: list[Backup] = []
        if (record := self._state.links.get(carriage.parent)) is not None:
            # Its own delay is not told: what is known is that it is no more than this node's.
            found.append(Backup(record.encoded, max(0, carriage.rank - 1), carriage.delay_ms))
        for backup in carriage.backups:
            if backup.node == carriage.lineage[0] and backup.node != carriage.parent:
                found.append(Backup(backup.record.encoded, 0, 0))
        return found
