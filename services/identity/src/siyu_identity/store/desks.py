"""Opens desks: the graph and everything beside it, in one transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from siyu_identity.app.desk import Desk
from siyu_identity.store.graph import SqlGraph
from siyu_identity.store.graphs import SqlGraphs
from siyu_identity.store.ledger import SqlLedger
from siyu_identity.store.policies import PolicyBook
from siyu_identity.store.proposals import SqlProposals
from siyu_identity.store.reviews import SqlReviews
from siyu_identity.store.runs import SqlRuns
from siyu_kit.clock import Clock


class SqlDesks:
    """The desks of one database."""

    def __init__(self, graphs: SqlGraphs, policies: PolicyBook, clock: Clock) -> None:
        self._graphs = graphs
        self._policies = policies
        self._clock = clock

    @asynccontextmanager
    async def transaction(self, project_id: str) -> AsyncIterator[Desk]:
        """A desk whose transaction commits when the block ends."""
        async with self._graphs.transaction(project_id) as graph:
            yield self._desk(graph)

    @asynccontextmanager
    async def snapshot(self, project_id: str) -> AsyncIterator[Desk]:
        """A desk to read from."""
        async with self._graphs.snapshot(project_id) as graph:
            yield self._desk(graph)

    def _desk(self, graph: SqlGraph) -> Desk:
        return Desk(
            graph,
            SqlLedger(graph, self._policies, self._clock.now_ms()),
            SqlProposals(graph),
            SqlReviews(graph),
            SqlRuns(graph.session, graph.project_id),
        )
