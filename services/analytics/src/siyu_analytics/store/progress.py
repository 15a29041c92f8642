"""How far everything is, from the service's own database."""

from collections.abc import Mapping
from typing import cast

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_analytics.app.projection_ports import Progress, ProjectCounts
from siyu_analytics.store.sink_plans import READER
from siyu_analytics.store.tables import (
    ProjectEventsRow,
    ProjectFeedRow,
    SinkCounterRow,
    SinkPlanRow,
)
from siyu_kit.sql.engine import Database
from siyu_kit.sql.tables import position
from siyu_kit.sql.upsert import Merge, table_of, upsert
from siyu_kit.stream.port import START, split_id
from siyu_kit.stream.topics import IDENTITY, PROFILE

_plan = table_of(SinkPlanRow)
_counter = table_of(SinkCounterRow)
_feed = table_of(ProjectFeedRow)
_events = table_of(ProjectEventsRow)


class SqlProgress:
    """``ProgressStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def progress(self, project_id: str) -> Progress:
        """All of it from one snapshot."""
        async with self._database.session() as session:
            rows = await session.execute(
                select(position.c.topic, position.c.position).where(position.c.reader == READER)
            )
            sequences = {topic: split_id(at or START)[0] for topic, at in rows}
            moved = await session.scalar(
                select(_feed.c.sequence).where(
                    _feed.c.project_id == project_id, _feed.c.feed == IDENTITY.name
                )
            )
            batch_no = await _complete_batch(session)
        return Progress(
            batch_no,
            sequences.get(IDENTITY.name, 0),
            sequences.get(PROFILE.name, 0),
            int(moved or 0),
        )

    async def counts(self, project_id: str) -> ProjectCounts:
        async with self._database.session() as session:
            found = await session.execute(
                select(_events.c.stored, _events.c.duplicates).where(
                    _events.c.project_id == project_id
                )
            )
            row = found.first()
        return ProjectCounts(0, 0) if row is None else ProjectCounts(row[0], row[1])


async def _complete_batch(session: AsyncSession) -> int:
    """The batch before the oldest open one, or else the last."""
    oldest_open = await session.scalar(
        select(func.min(_plan.c.batch_no)).where(_plan.c.done.is_(False))
    )
    if oldest_open is not None:
        return int(oldest_open) - 1
    return int(await session.scalar(select(func.max(_counter.c.batch_no))) or 0)


class SqlFeedMarks:
    """``FeedMarks``."""

    async def moved(self, unit: object, last_by_project: Mapping[str, int]) -> None:
        rows = [
            {"project_id": project_id, "feed": IDENTITY.name, "sequence": sequence}
            for project_id, sequence in sorted(last_by_project.items())
        ]
        key = ["project_id", "feed"]
        later = {"sequence": Merge.GREATEST}
        await upsert(cast("AsyncSession", unit), ProjectFeedRow, rows, key=key, update=later)
