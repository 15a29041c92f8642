"""Whose each identifier was: the feed folded into placements, sequence by sequence.

A worker of its own follows the numbered rows, so that no link waits for it. Placements and the
position are committed together; what is sealed never changes but by an erasure.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from siyu.event.v1.identity_change_pb2 import IDENTITY_CHANGE_KIND_ERASED, IdentityChangeBatch
from siyu_identity.app.as_of import Placed
from siyu_identity.store.sets import among
from siyu_identity.store.tables import CounterRow, IdentRow, PlacementRow, SealedRow
from siyu_kit.clock import Clock
from siyu_kit.sql import feed
from siyu_kit.sql.election import Election
from siyu_kit.sql.engine import Database
from siyu_kit.sql.feed import Feed, FeedRow
from siyu_kit.sql.leader import lead
from siyu_kit.sql.lease import Lease, Leases, fence
from siyu_kit.sql.upsert import table_of, upsert
from siyu_kit.stream.topics import IDENTITY

_FEED: Final = Feed(IDENTITY.name)
_LEASE: Final = "identity.history"
_ALL: Final = "*"
_NAME: Final = "sealed"
_BATCH: Final = 200
_IDLE_S: Final = 0.4
_counter = table_of(CounterRow).c
_ident = table_of(IdentRow).c
_placement = table_of(PlacementRow).c
_sealed = table_of(SealedRow).c


class Historian:
    """Follows the feed; one process at a time."""

    def __init__(self, database: Database, clock: Clock, leases: Election | None = None) -> None:
        self._database = database
        self._clock = clock
        self._leases: Election = leases or Leases(database)

    async def run(self) -> None:
        """Until cancelled."""
        await lead(self._leases, _LEASE, self._follow, self._clock)

    async def _follow(self, held: Lease) -> None:
        while True:
            if not await self.step(held):
                await self._clock.sleep(_IDLE_S)

    async def step(self, held: Lease | None = None) -> int:
        """Seal the next rows; how many."""
        async with self._database.session() as session:
            after = await sealed_up_to(session)
            rows = await feed.rows_after(session, _FEED, after, _BATCH)
        if not rows:
            return 0
        async with self._database.transaction() as session:
            await _seal(session, rows)
            if held is not None:
                await fence(session, held)
        return len(rows)


async def sealed_up_to(session: AsyncSession) -> int:
    """The last sequence that placements hold; 0 before the first."""
    value: int | None = await session.scalar(
        select(_counter.value).where(_counter.project_id == _ALL, _counter.name == _NAME)
    )
    return value or 0


async def _seal(session: AsyncSession, rows: Sequence[FeedRow]) -> None:
    placements, sealed, erased = [], [], set[tuple[str, int]]()
    for row in rows:
        batch = IdentityChangeBatch.FromString(row.payload)
        sealed.append(
            {
                "project_id": row.project_id,
                "sequence": row.sequence,
                "commit_ms": batch.commit_time_ms,
            }
        )
        for change in batch.changes:
            if change.kind == IDENTITY_CHANGE_KIND_ERASED:
                erased.add((row.project_id, change.ident_no))
            key = (row.project_id, change.ident_no, row.sequence)
            placements.append((*key, change.person_no))
    for project_id, number in erased:
        # What was told before it was erased, and sealed only now or in an earlier batch.
        await session.execute(
            delete(PlacementRow).where(
                _placement.project_id == project_id, _placement.ident_no == number
            )
        )
    kept = [row for row in placements if row[:2] not in erased]
    if kept:
        names = ("project_id", "ident_no", "sequence", "person_no")
        await session.execute(
            insert(PlacementRow), [dict(zip(names, row, strict=True)) for row in kept]
        )
    await session.execute(insert(SealedRow), sealed)
    position = {"project_id": _ALL, "name": _NAME, "value": rows[-1].sequence}
    await upsert(session, CounterRow, [position], key=["project_id", "name"], update=["value"])


class SqlHistory:
    """Answers from the placements."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sealed(self) -> int:
        async with self._database.session() as session:
            return await sealed_up_to(session)

    async def before(self, project_id: str, time_ms: int) -> int:
        async with self._database.session() as session:
            first = await session.scalar(
                select(func.min(_sealed.sequence)).where(
                    _sealed.project_id == project_id, _sealed.commit_ms > time_ms
                )
            )
            return await sealed_up_to(session) if first is None else first - 1

    async def placed(
        self, project_id: str, numbers: Sequence[int], sequence: int
    ) -> dict[int, Placed]:
        anchor = table_of(IdentRow).alias("anchor").c
        async with self._database.session() as session:
            last = (
                select(_placement.ident_no, func.max(_placement.sequence).label("sequence"))
                .where(
                    _placement.project_id == project_id,
                    among(self._database.dialect, _placement.ident_no, numbers),
                    _placement.sequence <= sequence,
                )
                .group_by(_placement.ident_no)
                .subquery()
            )
            rows = await session.execute(
                select(
                    _placement.ident_no, _placement.person_no, anchor.person_key, anchor.flags
                ).where(
                    _placement.project_id == project_id,
                    _placement.ident_no == last.c.ident_no,
                    _placement.sequence == last.c.sequence,
                    anchor.project_id == project_id,
                    anchor.ident_no == _placement.person_no,
                )
            )
            return {row[0]: Placed(*row) for row in rows}
