"""One transaction on the segment database."""

from typing import cast

from pyroaring import BitMap
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from siyu.event.v1 import membership_change_pb2 as feed_pb
from siyu_kit.errors import AlreadyExists, NotFound
from siyu_kit.sql.outbox import Outbox, OutboxMessage
from siyu_kit.sql.request_keys import earlier_result, remember
from siyu_kit.sql.upsert import table_of
from siyu_kit.stream.topics import SEGMENT
from siyu_kit.telemetry import inject
from siyu_segment.domain.membership import Difference, Run, chunks
from siyu_segment.domain.segment import Segment
from siyu_segment.store.rows import from_run, from_segment, to_run, to_segment, version_of
from siyu_segment.store.tables import SegmentRow, SegmentRunRow, SegmentVersionRow


class SqlSegmentUnit:
    """Reads and writes inside one open session; see ``ports.SegmentUnit``."""

    def __init__(self, session: AsyncSession, outbox: Outbox) -> None:
        self._session = session
        self._outbox = outbox

    async def earlier(
        self, project_id: str, method: str, request_id: str, content: bytes
    ) -> str | None:
        return await earlier_result(self._session, project_id, method, request_id, content)

    async def remember(
        self, project_id: str, method: str, request_id: str, content: bytes, result: str, at_ms: int
    ) -> bool:
        # A bad id is refused before anything is written.
        await earlier_result(self._session, project_id, method, request_id, content)
        return await remember(
            self._session, project_id, method, request_id, content, result, at_ms=at_ms
        )

    async def segment(self, project_id: str, segment_id: str, *, lock: bool = False) -> Segment:
        row = await self._session.get(
            SegmentRow, (project_id, segment_id), with_for_update=True if lock else None
        )
        if row is None:
            raise NotFound("SEGMENT_NOT_FOUND", "there is no such segment", segment_id=segment_id)
        return to_segment(row, await self.version_row(project_id, segment_id, row.version))

    async def version_row(
        self, project_id: str, segment_id: str, version: int
    ) -> SegmentVersionRow:
        """The definition of one version, or NotFound."""
        found = await self._session.get(SegmentVersionRow, (project_id, segment_id, version))
        if found is None:
            raise NotFound(
                "SEGMENT_NOT_FOUND", "there is no such version of it", segment_id=segment_id
            )
        return found

    async def add_segment(self, segment: Segment) -> None:
        self._session.add_all([from_segment(segment), version_of(segment)])
        await self._flush_names(segment)

    async def save_segment(self, segment: Segment, *, new_version: bool) -> None:
        await self._session.merge(from_segment(segment))
        if new_version:
            self._session.add(version_of(segment))
        await self._flush_names(segment)

    async def run(self, project_id: str, run_id: str) -> Run:
        row = await self._session.get(SegmentRunRow, (project_id, run_id))
        if row is None:
            raise NotFound("RUN_NOT_FOUND", "there is no such run", run_id=run_id)
        return to_run(row)

    async def add_run(self, run: Run) -> None:
        self._session.add(from_run(run))
        await self._session.flush()

    async def end_run(self, run: Run, members: BitMap | None) -> None:
        content = None if members is None else members.serialize()
        await self._session.merge(from_run(run, content))

    async def members(self, project_id: str, run_id: str) -> BitMap:
        c = table_of(SegmentRunRow).c
        found = await self._session.execute(
            select(c.members).where(c.project_id == project_id, c.run_id == run_id)
        )
        content = found.scalar()
        return BitMap() if content is None else BitMap.deserialize(content)

    async def announce(self, run: Run, change: Difference) -> None:
        messages = [
            OutboxMessage(
                run.project_id,
                _batch(run, part).SerializeToString(),
                count=len(part.entered) + len(part.left),
                trace=inject(),
            )
            for part in chunks(change)
        ]
        await self._outbox.add_many(self._session, SEGMENT.name, messages)

    async def _flush_names(self, segment: Segment) -> None:
        try:
            await self._session.flush()
        except IntegrityError as error:
            raise AlreadyExists(
                "NAME_TAKEN", "another segment has this name", name=segment.name
            ) from error


def _batch(run: Run, part: Difference) -> feed_pb.MembershipChangeBatch:
    return feed_pb.MembershipChangeBatch(
        project_id=run.project_id,
        segment_id=run.segment_id,
        segment_version=run.version,
        run_id=run.run_id,
        cause=cast("feed_pb.MembershipCause.ValueType", int(run.cause)),
        entered_person_nos=part.entered,
        left_person_nos=part.left,
    )
