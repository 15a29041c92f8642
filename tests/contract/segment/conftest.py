from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from pyroaring import BitMap

from siyu.condition.v1 import explanation_pb2
from siyu.segment.v1.segment_service_pb2_grpc import (
    SegmentServiceStub,
    add_SegmentServiceServicer_to_server,
)
from siyu_kit.clock import SystemClock
from siyu_kit.errors import DomainError
from siyu_kit.rpc.paging import PageTokens
from siyu_kit.service import Servicer
from siyu_kit.sql.engine import Database
from siyu_kit.sql.outbox import Outbox
from siyu_kit.sql.publisher import StreamPublisher
from siyu_kit.sql.relay import OutboxRelay
from siyu_kit.stream.memory import MemoryStreamStore
from siyu_kit.stream.topics import SEGMENT
from siyu_kit.testing.migrated import migrated
from siyu_kit.testing.rpc import ServedRpc, serve
from siyu_segment.app.ports import AsOf, Audience, Explanation
from siyu_segment.bootstrap import MIGRATIONS
from siyu_segment.domain.membership import EvaluationKey
from siyu_segment.domain.segment import Definition
from siyu_segment.rpc.servicer import SegmentServicer
from siyu_segment.store.segment_store import SqlSegmentStore


@dataclass
class ScriptedAudiences:
    """An audience source that answers what the test says."""

    members: set[int] = field(default_factory=set)
    error: DomainError | None = None
    evaluated: int = 0
    before_answer: object = None

    async def evaluate(self, project_id: str, definition: Definition, as_of: AsOf) -> Audience:
        self.evaluated += 1
        if self.before_answer is not None:
            await self.before_answer()
        if self.error:
            raise self.error
        key = EvaluationKey("d", as_of.time_ms or 77, 3, 4, 5, "r")
        return Audience(BitMap(self.members), 100, key)

    async def explain(
        self, project_id: str, definition: Definition, person_no: int, as_of: AsOf
    ) -> Explanation:
        node = explanation_pb2.NodeExplanation(text="everyone", holds=True)
        return Explanation(person_no in self.members, [node], EvaluationKey("d", as_of.time_ms))


@dataclass
class SegmentHarness:
    served: ServedRpc
    audiences: ScriptedAudiences
    database: Database
    relay: OutboxRelay
    stub: SegmentServiceStub


@pytest_asyncio.fixture
async def segments(database_url: str) -> AsyncIterator[SegmentHarness]:
    await migrated(database_url, MIGRATIONS)
    database = Database(database_url)
    outbox = Outbox()
    audiences = ScriptedAudiences()
    publisher = StreamPublisher(MemoryStreamStore())
    relay = OutboxRelay(database, publisher, topic=SEGMENT.name, outbox=outbox)
    servicer = SegmentServicer(
        SqlSegmentStore(database, outbox), audiences, SystemClock(), PageTokens(b"k" * 32)
    )
    async with serve(Servicer(add_SegmentServiceServicer_to_server, servicer)) as served:
        stub = SegmentServiceStub(served.channel("operator", projects=["p"]))
        yield SegmentHarness(served, audiences, database, relay, stub)
    await database.aclose()


@pytest.fixture
def members(segments: SegmentHarness) -> set[int]:
    return segments.audiences.members
