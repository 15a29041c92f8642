"""Projects in a real database, one for each generated case."""

import itertools
from collections.abc import Iterable, Sequence

from sqlalchemy import select

from siyu.event.v1.identity_change_pb2 import IdentityChangeBatch
from siyu_identity.app.ports import Graph, Statements
from siyu_identity.app.transact import transact
from siyu_identity.app.weave import weave
from siyu_identity.domain.comparison import Comparison, compare
from siyu_identity.domain.evidence import NOTHING, Edge, Identifier
from siyu_identity.domain.restitch import restitch
from siyu_identity.store.desks import SqlDesks
from siyu_identity.store.graphs import SqlGraphs
from siyu_identity.store.history import Historian, SqlHistory
from siyu_identity.store.policies import PolicyBook
from siyu_identity.store.pulse import Pulse
from siyu_identity.store.saving import Saving
from siyu_identity.store.survey import SqlSurvey
from siyu_identity.store.tables import ConflictRow, IdentRow
from siyu_kit.clock import SystemClock
from siyu_kit.sql import feed
from siyu_kit.sql.engine import Database
from siyu_kit.sql.feed import Feed
from siyu_kit.sql.outbox import Outbox
from siyu_kit.sql.tables import outbox
from siyu_kit.sql.upsert import table_of
from siyu_kit.stream.topics import IDENTITY
from support.identity_cases import IDENTIFIERS
from support.identity_model import Reference, Statement, reference
from support.identity_service import KEYS

_PROJECTS = itertools.count()
CLOCK = SystemClock()


class Books:
    """A database of identity; create it inside the running loop."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.policies = PolicyBook()
        saving = Saving(Outbox(), Pulse(), CLOCK)
        self.graphs = SqlGraphs(self.database, KEYS, saving, self.policies)
        self.desks = SqlDesks(self.graphs, self.policies, CLOCK)
        self.survey = SqlSurvey(self.database, KEYS, self.policies)
        self.history = SqlHistory(self.database)
        self.historian = Historian(self.database, CLOCK)

    def open(self) -> "Book":
        """A new project."""
        return Book(self, f"p{next(_PROJECTS)}")


class Book:
    """One project."""

    def __init__(self, books: Books, project: str) -> None:
        self.books = books
        self.project = project

    async def write(self, said: Sequence[Statement], sizes: Sequence[int] = (3,)) -> list[int]:
        """Weave everything in batches of these sizes; the outbox rows."""
        rows: list[int] = []
        start = 0
        while start < len(said):
            for size in sizes:
                batch: dict[tuple[Identifier, Identifier], Edge] = {}
                for left, right, edge in said[start : start + size]:
                    batch[left, right] = batch.get((left, right), NOTHING).join(edge)
                start += size
                if batch:
                    rows += await self._weave(batch)
        return rows

    async def _weave(self, batch: Statements) -> list[int]:
        async def work(graph: Graph) -> list[int]:
            return (await weave(graph, batch)).rows

        return await transact(self.books.graphs, CLOCK, self.project, work)

    def expected(self, said: Iterable[Statement]) -> Reference:
        """What the pure function makes of it, with this project's keys."""
        return reference(said, key=KEYS.of(self.project).person_key)

    async def state(self) -> Reference:
        """What the database holds, in identifiers instead of numbers."""
        keys = KEYS.of(self.project)
        by_lookup = {keys.lookup(item): item for item in IDENTIFIERS}
        ident, conflict = table_of(IdentRow), table_of(ConflictRow)
        async with self.books.database.session() as session:
            rows = (
                await session.execute(select(ident).where(ident.c.project_id == self.project))
            ).all()
            refused = (
                await session.execute(select(conflict).where(conflict.c.project_id == self.project))
            ).all()
        names = {row.ident_no: by_lookup[row.lookup] for row in rows}
        return Reference(
            {names[row.ident_no]: names[row.person_no] for row in rows},
            frozenset(names[row.ident_no] for row in rows if row.quarantined),
            frozenset(frozenset((names[row.left_no], names[row.right_no])) for row in refused),
        )

    async def restitched(self) -> Comparison:
        """All persons anew, held against those in the database."""
        world = await self.books.survey.world(self.project)
        return compare(world, restitch(world, await self.books.survey.policy(self.project)))

    async def told(self) -> list[tuple[int, IdentityChangeBatch]]:
        """The feed of this project: everything numbered and sealed first."""
        async with self.books.database.transaction() as session:
            await feed.assign(session, Feed(IDENTITY.name), 100_000)
        while await self.books.historian.step():
            pass
        async with self.books.database.session() as session:
            rows = await session.execute(
                select(outbox.c.sequence, outbox.c.payload)
                .where(outbox.c.project_id == self.project)
                .order_by(outbox.c.sequence)
            )
            return [(number, IdentityChangeBatch.FromString(payload)) for number, payload in rows]

    async def persons(self) -> dict[int, int]:
        """The present map by number."""
        ident = table_of(IdentRow).c
        async with self.books.database.session() as session:
            rows = await session.execute(
                select(ident.ident_no, ident.person_no).where(ident.project_id == self.project)
            )
            return {row[0]: row[1] for row in rows}


def folded(told: Iterable[tuple[int, IdentityChangeBatch]]) -> dict[int, int]:
    """The map that the feed's readers have."""
    seen: dict[int, int] = {}
    for _, batch in told:
        for change in batch.changes:
            assert seen.get(change.ident_no, 0) == change.from_person_no
            seen[change.ident_no] = change.person_no
    return seen
