"""Takes the evidence that events carry, batch by batch."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.ext.asyncio import AsyncSession

from siyu.event.v1.event_pb2 import EventBatch
from siyu_identity.app.ports import Graph
from siyu_identity.app.weave import weave
from siyu_identity.domain.policy import IdTypePolicy
from siyu_identity.stream.gathering import Gathering
from siyu_identity.stream.known import GRAIN_MS, KnownEvidence
from siyu_kit.stream.part_letters import Part, PartLetters
from siyu_kit.stream.port import Entry

READER = "identity"

_UNCAPPED: Final = frozenset({"TYPE_UNDECLARED"})
"""A project's policy may leave out a type that its events carry; the other projects go on."""


class GraphsWithin(Protocol):
    """Opens graphs in the reader's own transaction."""

    def within(self, session: AsyncSession, project_id: str) -> Graph:
        """The graph of a project."""
        ...

    async def policy(self, session: AsyncSession, project_id: str) -> IdTypePolicy:
        """The policy of a project."""
        ...

    async def unlinks(self, session: AsyncSession, projects: Iterable[str]) -> dict[str, int]:
        """How many transactions with unlinks each project has seen."""
        ...


class EventsHandler:
    """The handler of the reader ``identity``."""

    def __init__(self, graphs: GraphsWithin, known: KnownEvidence, letters: PartLetters) -> None:
        self._graphs = graphs
        self._known = known
        self._letters = letters

    async def __call__(
        self, session: AsyncSession, partition: int, entries: Sequence[Entry]
    ) -> None:
        """Weave the evidence of the entries into the graph, in the reader's transaction."""
        batches = [(entry, EventBatch.FromString(entry.payload).events) for entry in entries]
        projects = {events[0].project_id for _, events in batches if events}
        epochs = await self._epochs(session, projects)
        gatherings = {
            project: Gathering(
                project,
                self._known,
                epochs[project],
                await self._graphs.policy(session, project),
            )
            for project in projects
        }
        refused: list[Part] = []
        for entry, events in batches:
            if not events:
                continue
            gathering = gatherings[events[0].project_id]
            gathering.add(events)
            refused += _refused(entry, gathering)
        await self._letters.record(
            session, partition, refused, entries=len(entries), uncapped=_UNCAPPED
        )
        for project, gathering in gatherings.items():
            if gathering.statements:
                await self._weave(session, project, gathering, epochs[project])

    async def _epochs(self, session: AsyncSession, projects: set[str]) -> Mapping[str, int]:
        unlinks = await self._graphs.unlinks(session, projects)
        epochs = {project: unlinks.get(project, 0) for project in projects}
        for project, epoch in epochs.items():
            self._known.set_epoch(project, epoch)
        return epochs

    async def _weave(
        self, session: AsyncSession, project: str, gathering: Gathering, epoch: int
    ) -> None:
        graph = self._graphs.within(session, project)
        woven = await weave(graph, gathering.statements, GRAIN_MS)

        def learn(_session: object) -> None:
            gathering.learn(woven.contested, epoch)

        # Nothing may be taken for known before it is committed.
        sqlalchemy_event.listen(session.sync_session, "after_commit", learn, once=True)


def _refused(entry: Entry, gathering: Gathering) -> list[Part]:
    parts = [
        Part(
            entry,
            EventBatch(events=[event]).SerializeToString(),
            event.project_id,
            error.reason,
            error.message,
        )
        for event, error in gathering.refused
    ]
    gathering.refused.clear()
    return parts
