"""Opens graphs: in transactions of their own, or in one that somebody else commits."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_identity.domain.policy import IdTypePolicy
from siyu_identity.store.graph import SqlGraph
from siyu_identity.store.keys import KeyRing
from siyu_identity.store.policies import PolicyBook
from siyu_identity.store.saving import UNLINKS, Saving
from siyu_identity.store.tables import CounterRow
from siyu_kit.failpoints import failpoint
from siyu_kit.sql.engine import Database
from siyu_kit.sql.upsert import table_of

_counter = table_of(CounterRow).c


class SqlGraphs:
    """The graphs of one database."""

    def __init__(
        self,
        database: Database,
        keys: KeyRing,
        saving: Saving,
        policies: PolicyBook | None = None,
    ) -> None:
        self._database = database
        self._keys = keys
        self._saving = saving
        self._policies = policies or PolicyBook()

    @asynccontextmanager
    async def transaction(self, project_id: str) -> AsyncIterator[SqlGraph]:
        """A graph whose transaction commits when the block ends."""
        async with self._database.transaction() as session:
            yield self.within(session, project_id)
            failpoint("identity.before_commit")

    @asynccontextmanager
    async def snapshot(self, project_id: str) -> AsyncIterator[SqlGraph]:
        """A graph to read from, as it stood at one moment."""
        async with self._database.session() as session:
            yield self.within(session, project_id)

    def within(self, session: AsyncSession, project_id: str) -> SqlGraph:
        """A graph in a transaction that the caller commits."""
        return SqlGraph(
            session, project_id, self._keys.of(project_id), self._saving, self._policies
        )

    async def policy(self, session: AsyncSession, project_id: str) -> IdTypePolicy:
        """The policy of a project."""
        return await self._policies.active(session, project_id)

    async def unlinks(self, session: AsyncSession, projects: Iterable[str]) -> dict[str, int]:
        """How many transactions with unlinks each project has seen."""
        rows = await session.execute(
            select(_counter.project_id, _counter.value).where(
                _counter.name == UNLINKS, _counter.project_id.in_(list(projects))
            )
        )
        return {row.project_id: row.value for row in rows}
