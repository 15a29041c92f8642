"""The invariants where SQL takes part, on each database; the numbers are those of the design."""

import asyncio
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import or_, select

from siyu_identity.app.operations import carry_out
from siyu_identity.app.transact import transact
from siyu_identity.bootstrap import MIGRATIONS
from siyu_identity.domain import grouping
from siyu_identity.domain.evidence import Identifier, link, unlink
from siyu_identity.domain.proposal import Kind, Operation
from siyu_identity.store.tables import EvidenceRow, IdentRow, PlacementRow
from siyu_kit.sql.upsert import table_of
from siyu_kit.testing.migrated import migrated
from support.identity_books import CLOCK, Books, folded
from support.identity_cases import IDENTIFIERS, SQL_CASES, statements
from support.identity_service import KEYS

SIZES = st.lists(st.integers(1, 5), min_size=1, max_size=5)
RANDOM = st.randoms(use_true_random=False)


@pytest.fixture
def each(database_url):
    """Runs a property's example, a coroutine function, in one loop over one database."""
    with asyncio.Runner() as runner:
        runner.run(migrated(database_url, MIGRATIONS))
        books = runner.run(_opened(database_url))

        def run(example, *values):
            runner.run(example(books.open, *values))

        yield run
        runner.run(books.database.aclose())


async def _opened(url):
    return Books(url)


def holds(cases, each, example, *strategies):
    """Hold an example for so many generated cases."""

    @settings(max_examples=cases, suppress_health_check=list(HealthCheck))
    @given(st.tuples(*strategies))
    def case(values):
        each(example, *values)

    case()


@SQL_CASES
def test_i1_any_order_comes_to_the_same(cases, each):
    async def example(new, said, sizes, rng):
        shuffled = said + rng.sample(said, len(said) // 2)
        rng.shuffle(shuffled)
        book, other = new(), new()
        await book.write(said, sizes)
        await other.write(shuffled, sizes[::-1])
        assert await book.state() == book.expected(said)
        assert await other.state() == other.expected(said)

    holds(cases, each, example, statements(25), SIZES, RANDOM)


@SQL_CASES
def test_i2_what_is_said_again_tells_nobody(cases, each):
    async def example(new, said, sizes):
        book = new()
        await book.write(said, sizes)
        before = await book.state()
        assert await book.write(said, sizes) == []
        assert await book.state() == before

    holds(cases, each, example, statements(25), SIZES)


@SQL_CASES
def test_i7_a_link_and_its_unlink_leave_what_was_there(cases, each):
    async def example(new, said, left, right):
        assume(left != right and not any({left, right} == {a, b} for a, b, _ in said))
        book = new()
        await book.write(said)
        before = await book.state()
        await book.write([(left, right, link(2, 1_000))])
        await book.write([(left, right, unlink(2_000))])
        after = await book.state()
        assert {n: a for n, a in after.anchors.items() if n in before.anchors} == before.anchors
        assert after.conflicts == before.conflicts
        assert after.quarantined == before.quarantined

    two = st.sampled_from(IDENTIFIERS)
    holds(cases, each, example, statements(20), two, two)


@SQL_CASES
def test_i8_i9_the_feed_is_dense_and_folds_to_the_map(cases, each):
    async def example(new, said, sizes):
        book = new()
        await book.write(said, sizes)
        told = await book.told()
        numbers = [number for number, _ in told]
        assert numbers == sorted(set(numbers))
        if numbers:
            # Nobody else writes: whoever reads up to the last one misses nothing before it.
            assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert folded(told) == await book.persons()

    holds(cases, each, example, statements(25), SIZES)


@SQL_CASES
def test_i10_the_short_way_comes_to_what_the_long_way_does(cases, each):
    async def example(new, said, sizes):
        short, long_way = new(), new()
        await short.write(said, sizes)
        with patch.object(grouping, "_is_whole", lambda _members, _policy: False):
            await long_way.write(said, sizes)
        # Each against the pure function under its own keys: ties are broken by them.
        assert await short.state() == short.expected(said)
        assert await long_way.state() == long_way.expected(said)

    holds(cases, each, example, statements(25), SIZES)


@SQL_CASES
def test_i11_step_by_step_comes_to_what_a_full_restitch_does(cases, each):
    async def example(new, said, sizes):
        book = new()
        await book.write(said, sizes)
        found = await book.restitched()
        assert found.digest == found.digest_served
        assert (found.moved, found.sample) == (0, [])
        assert found.conflicts == found.conflicts_served

    holds(cases, each, example, statements(40), SIZES)


@SQL_CASES
def test_i14_what_is_sealed_never_changes(cases, each):
    async def example(new, said, more):
        book = new()
        await book.write(said, [4])
        told = await book.told()
        numbers = sorted(await book.persons())

        async def past():
            return [
                {
                    no: placed.person_no
                    for no, placed in (
                        await book.books.history.placed(book.project, numbers, number)
                    ).items()
                }
                for number, _ in told
            ]

        before = await past()
        assert before == [folded(told[: n + 1]) for n in range(len(told))]
        await book.write(more, [2])
        await book.told()
        assert await past() == before

    holds(cases, each, example, statements(20), statements(10))


@SQL_CASES
def test_i15_an_erasure_leaves_the_index_alone(cases, each):
    async def example(new, said, victim):
        assume(any(victim in pair[:2] for pair in said))
        book = new()
        await book.write(said)
        await book.told()
        async with book.books.graphs.snapshot(book.project) as graph:
            number = (await graph.find([victim]))[victim].no
        operation = Operation(Kind.ERASE, [[number]])
        await transact(
            book.books.desks, CLOCK, book.project,
            lambda desk: carry_out(desk, operation, CLOCK.now_ms()),
        )  # fmt: skip
        await book.told()
        await _nothing_is_left(book, number, victim)
        await book.write([(victim, Identifier("device_id", "device_id-0"), link(2, 2**45))])
        await _nothing_is_left(book, number, victim)
        left = [item for item in said if victim not in item[:2]]
        expected, now = book.expected(left), await book.state()
        assert {n: now.anchors[n] for n in expected.anchors} == expected.anchors
        assert now.conflicts == expected.conflicts
        assert now.quarantined == expected.quarantined | {victim}

    holds(cases, each, example, statements(25), st.sampled_from(IDENTIFIERS))


async def _nothing_is_left(book, number, victim):
    ident, evidence, past = (table_of(row).c for row in (IdentRow, EvidenceRow, PlacementRow))
    keys = KEYS.of(book.project)
    async with book.books.database.session() as session:
        row = (
            await session.execute(
                select(ident.value, ident.person_key, ident.lookup).where(
                    ident.project_id == book.project, ident.ident_no == number
                )
            )
        ).one()
        said = await session.execute(
            select(evidence.left_no)
            .where(evidence.project_id == book.project)
            .where(or_(evidence.left_no == number, evidence.right_no == number))
        )
        placed = await session.execute(
            select(past.ident_no).where(past.project_id == book.project, past.ident_no == number)
        )
        assert (said.all(), placed.all()) == ([], [])
    assert (row.value, row.lookup) == (b"", keys.lookup(victim))
    assert row.person_key != keys.person_key(victim)
