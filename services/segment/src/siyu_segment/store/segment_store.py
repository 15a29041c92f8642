"""The segment database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import and_, select, tuple_

from siyu.event.v1 import membership_change_pb2 as feed_pb
from siyu_kit.errors import NotFound
from siyu_kit.sql.engine import Database
from siyu_kit.sql.feed import Feed
from siyu_kit.sql.feed_page import page_after
from siyu_kit.sql.outbox import Outbox
from siyu_kit.sql.upsert import table_of
from siyu_kit.stream.topics import SEGMENT
from siyu_segment.app.ports import FeedPage, FeedRow, Page
from siyu_segment.domain.segment import Segment
from siyu_segment.store.rows import to_segment
from siyu_segment.store.tables import SegmentRow, SegmentVersionRow
from siyu_segment.store.unit import SqlSegmentUnit


class SqlSegmentStore:
    """SQLite or PostgreSQL behind ``ports.SegmentStore``."""

    def __init__(self, database: Database, outbox: Outbox) -> None:
        self._database = database
        self._outbox = outbox

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SqlSegmentUnit]:
        async with self._database.transaction() as session:
            yield SqlSegmentUnit(session, self._outbox)

    async def version(self, project_id: str, segment_id: str, version: int) -> Segment:
        async with self._database.session() as session:
            row = await session.get(SegmentRow, (project_id, segment_id))
            if row is None:
                raise NotFound(
                    "SEGMENT_NOT_FOUND", "there is no such segment", segment_id=segment_id
                )
            unit = SqlSegmentUnit(session, self._outbox)
            wanted = version or row.version
            return to_segment(row, await unit.version_row(project_id, segment_id, wanted))

    async def list(self, project_id: str, after: str, size: int) -> Page:
        s, v = table_of(SegmentRow).c, table_of(SegmentVersionRow).c
        statement = (
            select(SegmentRow, SegmentVersionRow)
            .join(
                SegmentVersionRow,
                and_(
                    v.project_id == s.project_id,
                    v.segment_id == s.segment_id,
                    v.version == s.version,
                ),
            )
            .where(s.project_id == project_id)
            .order_by(s.create_time_ms, s.segment_id)
            .limit(size + 1)
        )
        if after:
            time_ms, _, segment_id = after.partition(":")
            statement = statement.where(
                tuple_(s.create_time_ms, s.segment_id) > (int(time_ms), segment_id)
            )
        async with self._database.session() as session:
            found = [to_segment(row, version) for row, version in await session.execute(statement)]
        page = found[:size]
        more = len(found) > size
        return Page(page, f"{page[-1].create_time_ms}:{page[-1].segment_id}" if more else "")

    async def changes(
        self, project_id: str, segment_id: str, after_sequence: int, size: int
    ) -> FeedPage:
        async with self._database.session() as session:
            page = await page_after(
                session,
                Feed(SEGMENT.name),
                project_id,
                after_sequence,
                size,
                lambda payload: _is_of(payload, segment_id),
            )
        rows = [FeedRow(sequence, payload) for sequence, payload in page.rows]
        return FeedPage(rows, page.next_sequence, page.more)


def _is_of(payload: bytes, segment_id: str) -> bool:
    if not segment_id:
        return True
    return feed_pb.MembershipChangeBatch.FromString(payload).segment_id == segment_id
