"""The chain of decisions in the database, and the outbox; see ``app.store.Decisions``."""

from collections.abc import Sequence

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit.crypto.chain import GENESIS
from siyu_kit.sql.outbox import Outbox, OutboxMessage
from siyu_kit.sql.upsert import upsert
from siyu_kit.stream.topics import TOUCH
from siyu_kit.telemetry import inject
from siyu_touch.app.store import Head
from siyu_touch.domain.decision import Decision, chain
from siyu_touch.domain.touch_event import TouchEvent, to_payload
from siyu_touch.store import tables
from siyu_touch.store.rows import from_recorded

_EVENTS_A_ROW = 500


class SqlDecisions:
    """Inside one open session."""

    def __init__(self, session: AsyncSession, outbox: Outbox) -> None:
        self._session = session
        self._outbox = outbox

    async def lock(self, project_id: str) -> Head:
        first = {"project_id": project_id, "sequence": 0, "digest": GENESIS}
        await upsert(self._session, tables.decision_head, [first], key=["project_id"])
        c = tables.decision_head.c
        found = await self._session.execute(
            select(c.sequence, c.digest).where(c.project_id == project_id).with_for_update()
        )
        row = found.one()
        return Head(row.sequence, row.digest)

    async def append(self, project_id: str, head: Head, decisions: Sequence[Decision]) -> Head:
        if not decisions:
            return head
        recorded = chain(head.digest, head.sequence, project_id, decisions)
        rows = [from_recorded(project_id, one) for one in recorded]
        await self._session.execute(insert(tables.decision), rows)
        end = Head(recorded[-1].sequence, recorded[-1].chain_digest)
        await self._session.execute(
            update(tables.decision_head)
            .where(tables.decision_head.c.project_id == project_id)
            .values(sequence=end.sequence, digest=end.digest)
        )
        return end

    async def tell(self, project_id: str, events: Sequence[TouchEvent]) -> None:
        parts = [
            events[start : start + _EVENTS_A_ROW] for start in range(0, len(events), _EVENTS_A_ROW)
        ]
        messages = [
            OutboxMessage(project_id, to_payload(part), count=len(part), trace=inject())
            for part in parts
        ]
        await self._outbox.add_many(self._session, TOUCH.name, messages)
