"""A sink over the in-memory stream, SQLite and real chDB."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest

from siyu_analytics.app.carry_out import CarryOut
from siyu_analytics.app.plan_batch import PlanBatch
from siyu_analytics.app.recover_sink import RecoverSink
from siyu_analytics.engine.chdb import ChdbEngine
from siyu_analytics.engine.protobuf import EVENT_SCHEMA
from siyu_analytics.store.event_batches import EngineEventBatches
from siyu_analytics.store.progress import SqlProgress
from siyu_analytics.store.sink_plans import SqlPlans
from siyu_analytics.stream.event_sink import EventSink
from siyu_analytics.stream.event_texts import ProtobufEventTexts
from siyu_kit.clock import SystemClock
from siyu_kit.sql.engine import Database
from siyu_kit.sql.lease import Lease, Leases
from siyu_kit.stream.dead_letter_limit import DeadLetterLimit
from siyu_kit.stream.memory import MemoryStreamStore
from siyu_kit.stream.ownership import Owned
from siyu_kit.stream.port import START, NewEntry
from siyu_kit.testing.migrated import migrated
from support.analytics_events import FixedNumbers
from support.analytics_store import shared_engine

MIGRATIONS = Path(__file__).parents[3] / "services" / "analytics" / "migrations"


@dataclass
class Rig:
    database: Database
    engine: ChdbEngine
    stream: MemoryStreamStore
    project: str = field(default_factory=lambda: f"p{uuid4().hex[:12]}")
    numbers: FixedNumbers = field(default_factory=FixedNumbers)
    dead_lettered: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.plans = SqlPlans(self.database)
        # Batch numbers begin anew with every database, the engine is shared: a key of its own
        # for each rig would not help, so tests look at their own project only.
        self.batches = EngineEventBatches(self.engine, EVENT_SCHEMA, (7, 9))
        self.progress = SqlProgress(self.database)

    def sink(
        self, plans: SqlPlans | None = None, limit: DeadLetterLimit | None = None
    ) -> EventSink:
        plans = plans or self.plans
        texts, told = ProtobufEventTexts(), self.dead_lettered.append
        carry_out = CarryOut(plans, self.batches, self.numbers, texts, limit, on_dead_letter=told)
        recover = RecoverSink(self.stream, plans, carry_out)
        return EventSink(PlanBatch(plans, carry_out), recover, SystemClock())

    async def lease(self, holder: str = "a") -> Lease:
        lease = await Leases(self.database, holder=holder, ttl_s=0.2).acquire("sink")
        assert lease is not None
        return lease

    async def owned(self, holder: str = "a") -> Owned:
        return Owned(0, await self.lease(holder), START)

    async def send(self, *entries: NewEntry) -> None:
        await self.stream.append("events", 0, entries)

    async def deliver(self, sink: EventSink, owned: Owned) -> None:
        found = await self.stream.read({0: owned.position}, "events", count=1000)
        if found:
            await sink(owned, found[0])

    async def rows(self, columns: str = "message_id") -> list[dict[str, object]]:
        found = await self.engine.query(
            f"SELECT {columns} FROM (SELECT *, _part FROM events"
            " WHERE project_id = {p:String} ORDER BY time, message_id)",
            {"p": self.project},
        )
        return found.to_pylist()

    async def counts(self) -> tuple[int, int]:
        counts = await self.progress.counts(self.project)
        return counts.events, counts.duplicates


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    url = f"sqlite+aiosqlite:///{tmp_path}/analytics.db"
    await migrated(url, MIGRATIONS)
    database = Database(url)
    # Tokens and `seen` name batches: each database starts its numbers elsewhere.
    async with database.transaction() as session:
        from siyu_analytics.store.tables import SinkCounterRow

        session.add(SinkCounterRow(counter="batch", batch_no=uuid4().int % 2**40))
    yield Rig(database, await shared_engine(), MemoryStreamStore())
    await database.aclose()
