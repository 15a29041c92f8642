"""Writes what weaving came to: identifiers, evidence, conflicts and the feed's rows."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from sqlalchemy import bindparam, delete, event, insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_identity.app.ports import Outcome
from siyu_identity.domain.evidence import Identifier
from siyu_identity.domain.ident import Place
from siyu_identity.domain.policy import IdTypePolicy, Limit, Storage
from siyu_identity.messages import feed_messages
from siyu_identity.store.keys import ProjectKeys
from siyu_identity.store.pulse import Pulse
from siyu_identity.store.sets import among, among_pairs
from siyu_identity.store.tables import ConflictRow, CounterRow, EvidenceRow, IdentRow
from siyu_kit.clock import Clock
from siyu_kit.sql.dialect import dialect_of
from siyu_kit.sql.outbox import Outbox, OutboxMessage
from siyu_kit.sql.upsert import Merge, table_of, upsert
from siyu_kit.stream.topics import IDENTITY
from siyu_kit.telemetry import inject

UNLINKS: Final = "unlinks"

_PAIR: Final = ("project_id", "left_no", "right_no")
_ident = table_of(IdentRow)
_conflict = table_of(ConflictRow)
_MOVE: Final = (
    update(_ident)
    .where(_ident.c.project_id == bindparam("in_project"), _ident.c.ident_no == bindparam("no"))
    .values({name: bindparam(f"to_{name}") for name in Place._fields})
)


class Sealing(NamedTuple):
    """What new rows are made with."""

    keys: ProjectKeys
    policy: IdTypePolicy
    plain: Mapping[int, Identifier]
    """The new identifiers by number."""
    lookups: Mapping[Identifier, bytes]


class Saving:
    """Writes outcomes and lets watchers know when they are committed."""

    def __init__(self, outbox: Outbox, pulse: Pulse, clock: Clock) -> None:
        self._outbox = outbox
        self._pulse = pulse
        self._clock = clock

    def now_ms(self) -> int:
        """The time that rows are stamped with."""
        return self._clock.now_ms()

    async def save(
        self,
        session: AsyncSession,
        project_id: str,
        sealing: Sealing,
        outcome: Outcome,
    ) -> list[int]:
        """Write everything; the outbox rows that carry the changes."""
        now_ms = self.now_ms()
        if outcome.created:
            await session.execute(insert(_ident), _new_rows(project_id, sealing, outcome, now_ms))
        if outcome.moved:
            await session.execute(
                _MOVE,
                [
                    {"in_project": project_id, "no": no}
                    | {f"to_{name}": value for name, value in place._asdict().items()}
                    for no, place in sorted(outcome.moved.items())
                ],
            )
        if outcome.edges:
            rows = [
                {"project_id": project_id, "left_no": left, "right_no": right} | edge._asdict()
                for (left, right), edge in sorted(outcome.edges.items())
            ]
            written = ["strength", "first_ms", "linked_ms", "unlinked_ms"]
            await upsert(session, EvidenceRow, rows, key=_PAIR, update=written)
        await self._save_conflicts(session, project_id, outcome)
        if outcome.unlinked:
            row = {"project_id": project_id, "name": UNLINKS, "value": 1}
            add = {"value": Merge.ADD}
            await upsert(session, CounterRow, [row], key=["project_id", "name"], update=add)
        return await self._publish(session, project_id, outcome, now_ms)

    async def _save_conflicts(
        self, session: AsyncSession, project_id: str, outcome: Outcome
    ) -> None:
        if outcome.reviewed:
            await session.execute(
                delete(_conflict).where(
                    _conflict.c.project_id == project_id,
                    among(dialect_of(session), _conflict.c.left_no, outcome.reviewed),
                    _conflict.c.reason != Limit.COMPONENT,
                )
            )
        dead = [pair for pair, edge in outcome.edges.items() if not edge.live]
        if dead:
            ends = _conflict.c.left_no, _conflict.c.right_no
            await session.execute(
                delete(_conflict).where(
                    _conflict.c.project_id == project_id,
                    among_pairs(dialect_of(session), *ends, dead),
                )
            )
        rows = [
            {
                "project_id": project_id, "left_no": left, "right_no": right,
                "reason": refusal.reason.value, "detail": refusal.type,
            }
            for (left, right), refusal in sorted(outcome.conflicts.items())
        ]  # fmt: skip
        await upsert(session, ConflictRow, rows, key=_PAIR, update=["reason", "detail"])

    async def _publish(
        self, session: AsyncSession, project_id: str, outcome: Outcome, now_ms: int
    ) -> list[int]:
        if not outcome.changes:
            return []
        trace = inject()
        messages = [
            OutboxMessage(project_id, message.payload, message.size, trace=trace)
            for message in feed_messages(
                project_id, outcome.changes, now_ms, by_hand=outcome.by_hand
            )
        ]
        # Last in the transaction: rows are told in the order of their ids, causes before effects.
        rows = await self._outbox.add_many(session, IDENTITY.name, messages)
        event.listen(session.sync_session, "after_commit", self._pulse.beat, once=True)
        return rows


def _new_rows(
    project_id: str, sealing: Sealing, outcome: Outcome, now_ms: int
) -> list[dict[str, object]]:
    rows = []
    for ident in outcome.created:
        identifier = sealing.plain[ident.no]
        keep = sealing.policy.rule(ident.type).storage is Storage.SEALED
        rows.append(
            {
                "project_id": project_id,
                "ident_no": ident.no,
                "type": ident.type,
                "lookup": sealing.lookups[identifier],
                "person_key": ident.key,
                "value": sealing.keys.seal(ident.no, identifier) if keep else b"",
                "created_ms": now_ms,
                "flags": int(ident.flags),
                **ident.place._asdict(),
            }
        )
    return rows
