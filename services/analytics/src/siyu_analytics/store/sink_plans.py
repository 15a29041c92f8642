"""Plans, positions and counts of the sink, in the service's own database."""

from collections.abc import Mapping, Sequence

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_analytics.app.sink_ports import Letter, Plan, StoredCount
from siyu_analytics.store.tables import ProjectEventsRow, SinkCounterRow, SinkPlanRow
from siyu_kit.failpoints import failpoint
from siyu_kit.sql import positions
from siyu_kit.sql.engine import Database
from siyu_kit.sql.lease import fence
from siyu_kit.sql.upsert import Merge, table_of, upsert
from siyu_kit.stream import dead_letters
from siyu_kit.stream.ownership import Owned
from siyu_kit.stream.port import Entry
from siyu_kit.stream.topics import EVENTS

READER = "analytics"

_plan = table_of(SinkPlanRow)
_counter = table_of(SinkCounterRow)


class SqlPlans:
    """``Plans``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def make(self, owned: Owned, entries: Sequence[Entry]) -> Plan:
        async with self._database.transaction() as session:
            batch_no = await _next_batch_no(session)
            plan = Plan(owned.partition, batch_no, entries[0].id, entries[-1].id, len(entries))
            row = {
                "partition_no": plan.partition,
                "batch_no": plan.batch_no,
                "first_id": plan.first_id,
                "last_id": plan.last_id,
                "entries": plan.entries,
                "epoch": owned.lease.epoch,
                "done": False,
            }
            columns = [name for name in row if name != "partition_no"]
            await upsert(session, _plan, [row], key=["partition_no"], update=columns)
            await fence(session, owned.lease)
        return plan

    async def open_plan(self, partition: int) -> Plan | None:
        async with self._database.session() as session:
            found = await session.execute(
                select(_plan).where(_plan.c.partition_no == partition, _plan.c.done.is_(False))
            )
            row = found.mappings().first()
        if row is None:
            return None
        return Plan(partition, row["batch_no"], row["first_id"], row["last_id"], row["entries"])

    async def done(
        self,
        owned: Owned,
        plan: Plan,
        counts: Mapping[str, StoredCount],
        letters: Sequence[Letter],
    ) -> None:
        async with self._database.transaction() as session:
            await session.execute(
                update(_plan).where(_plan.c.partition_no == plan.partition).values(done=True)
            )
            await _count(session, counts)
            for letter in letters:
                await _bury(session, owned.partition, letter)
            await _move(session, owned, plan.last_id)
            failpoint("sink.before_done_commit")

    async def skip(self, owned: Owned, last_id: str, counts: Mapping[str, StoredCount]) -> None:
        async with self._database.transaction() as session:
            await _count(session, counts)
            await _move(session, owned, last_id)


async def _next_batch_no(session: AsyncSession) -> int:
    """Dense over all partitions; the row is locked until the plan is committed."""
    first = {"counter": "batch", "batch_no": 1}
    rows = await upsert(
        session,
        _counter,
        [first],
        key=["counter"],
        update={"batch_no": Merge.ADD},
        returning=["batch_no"],
    )
    return int(rows[0][0])


async def _count(session: AsyncSession, counts: Mapping[str, StoredCount]) -> None:
    rows = [
        {
            "project_id": project_id,
            "stored": count.stored,
            "duplicates": count.duplicates,
            "passed": count.passed,
            "dead_lettered": count.dead_lettered,
        }
        for project_id, count in sorted(counts.items())
    ]
    add = dict.fromkeys(("stored", "duplicates", "passed", "dead_lettered"), Merge.ADD)
    await upsert(session, ProjectEventsRow, rows, key=["project_id"], update=add)


async def _bury(session: AsyncSession, partition: int, letter: Letter) -> None:
    await dead_letters.record(
        session,
        reader=READER,
        topic=EVENTS.name,
        partition=partition,
        entry=letter.entry,
        reason=letter.reason,
        message=letter.message,
        project_id=letter.project_id,
        payload=letter.payload,
    )


async def _move(session: AsyncSession, owned: Owned, last_id: str) -> None:
    """Fence first, or a late comer would see a moved row instead of a lost lease."""
    await fence(session, owned.lease)
    await positions.move(session, READER, EVENTS.name, owned.partition, owned.position, last_id)
