"""Writers side by side, shuffled and repeated, come to what the set alone says."""

import asyncio
import random

import pytest
from sqlalchemy import select

from siyu.event.v1.identity_change_pb2 import IdentityChangeBatch
from siyu_identity.app.transact import transact
from siyu_identity.app.weave import weave
from siyu_identity.bootstrap import MIGRATIONS
from siyu_identity.domain.evidence import NOTHING
from siyu_identity.store.graphs import SqlGraphs
from siyu_identity.store.pulse import Pulse
from siyu_identity.store.saving import Saving
from siyu_identity.store.tables import ConflictRow, CounterRow, EvidenceRow, IdentRow
from siyu_kit.clock import SystemClock
from siyu_kit.sql.engine import Database
from siyu_kit.sql.outbox import Outbox
from siyu_kit.sql.publisher import StreamPublisher
from siyu_kit.sql.relay import OutboxRelay
from siyu_kit.sql.tables import feed as _feed
from siyu_kit.sql.tables import outbox as _outbox
from siyu_kit.sql.upsert import table_of
from siyu_kit.stream.memory import MemoryStreamStore
from siyu_kit.stream.topics import IDENTITY
from siyu_kit.testing.migrated import migrated
from support.identity_cases import random_statements
from support.identity_model import joined, reference
from support.identity_service import KEYS, PROJECT

pytestmark = pytest.mark.integration
WRITERS = 8
_counter = table_of(CounterRow)


@pytest.fixture
async def database(database_url):
    await migrated(database_url, MIGRATIONS)
    opened = Database(database_url, pool_size=WRITERS + 4)
    yield opened
    await opened.aclose()


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 4))]
)
async def test_writers_side_by_side_come_to_the_reference(database, seed):
    said = random_statements(seed, count=400, people=40)
    outbox, stream = Outbox(), MemoryStreamStore()
    graphs = SqlGraphs(database, KEYS, Saving(outbox, Pulse(), SystemClock()))
    relay = OutboxRelay(database, StreamPublisher(stream), topic=IDENTITY.name, outbox=outbox)
    relaying = asyncio.create_task(relay.run())
    rng = random.Random(seed)
    await asyncio.gather(*(_write(graphs, said, rng.randrange(10**9), n) for n in range(WRITERS)))
    await _settle(database, relay, outbox)
    relaying.cancel()

    await _check(database, said)
    await _check_feed(database, stream)


async def _write(graphs, said, seed, writer):
    """Its share of everything, some of it twice, some of others' too, in an order of its own."""
    rng = random.Random(seed)
    share = said[writer::WRITERS] + rng.sample(said, len(said) // 5)
    rng.shuffle(share)
    while share:
        size = rng.choice((1, 3, 20))
        part, share = share[:size], share[size:]
        statements = {}
        for left, right, edge in part:
            names = (left, right)
            statements[names] = statements.get(names, NOTHING).join(edge)
        await transact(graphs, SystemClock(), PROJECT, lambda graph, s=statements: weave(graph, s))


async def _settle(database, relay, outbox):
    async with database.session() as session:
        rows = (await session.execute(select(_outbox.c.id))).scalars().all()
    await relay.assigned(list(rows)[-1:], 5)
    for _ in range(200):
        async with database.session() as session:
            query = select(_feed.c.published, _feed.c.sequence)
            published, sequence = (await session.execute(query)).one()
        if published == sequence == len(rows):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the relay does not come to an end")


async def _check(database, said):
    keys = KEYS.of(PROJECT)
    expected = reference(said, key=keys.person_key)
    ident, evidence, conflict = (table_of(row) for row in (IdentRow, EvidenceRow, ConflictRow))
    async with database.session() as session:
        rows = (await session.execute(select(ident))).all()
        edges = (await session.execute(select(evidence))).all()
        conflicts = (await session.execute(select(conflict))).all()
        last = await session.scalar(select(_counter.c.value).where(_counter.c.name == "ident_no"))
    names = {row.ident_no: keys.open(row.ident_no, row.type, row.value) for row in rows}
    assert sorted(names) == list(range(1, len(rows) + 1))
    assert last == len(rows)
    stored = {
        frozenset((names[row.left_no], names[row.right_no])): tuple(row[3:7]) for row in edges
    }
    assert stored == {pair: tuple(edge) for pair, edge in joined(said).items()}
    anchors = {names[row.ident_no]: names[row.person_no] for row in rows}
    assert anchors == expected.anchors
    assert {names[row.ident_no] for row in rows if row.quarantined} == expected.quarantined
    found = {frozenset((names[row.left_no], names[row.right_no])) for row in conflicts}
    assert found == expected.conflicts


async def _check_feed(database, stream):
    ident = table_of(IdentRow)
    async with database.session() as session:
        rows = (await session.execute(select(ident.c.ident_no, ident.c.person_no))).all()
    folded = {}
    for entry in await stream.range(IDENTITY.name, 0, "0-0", "999999-0", count=100_000):
        for change in IdentityChangeBatch.FromString(entry.payload).changes:
            assert folded.get(change.ident_no, 0) == change.from_person_no
            folded[change.ident_no] = change.person_no
    assert folded == dict(rows)
