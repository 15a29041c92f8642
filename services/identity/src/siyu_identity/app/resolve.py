"""Says who identifiers belong to, and numbers those that are new."""

from collections.abc import Collection, Sequence

from siyu_identity.app.ports import Directory, Graph, Graphs, Outcome, Standing
from siyu_identity.app.transact import transact
from siyu_identity.domain.changes import changes_of
from siyu_identity.domain.evidence import Identifier
from siyu_kit.clock import Clock


class ResolveIdentifiers:
    """Resolves many identifiers at once."""

    def __init__(self, directory: Directory, graphs: Graphs, clock: Clock) -> None:
        self._directory = directory
        self._graphs = graphs
        self._clock = clock

    async def __call__(
        self, project_id: str, identifiers: Sequence[Identifier], *, create: bool
    ) -> list[Standing | None]:
        """Each one's standing in the order asked; None for an unknown one unless ``create``."""
        standings = await self._directory.standings(project_id, identifiers)
        missing = {
            item for item, standing in zip(identifiers, standings, strict=True) if not standing
        }
        if not create or not missing:
            return standings

        async def work(graph: Graph) -> dict[Identifier, Standing]:
            return await number(graph, missing)

        numbered = await transact(self._graphs, self._clock, project_id, work)
        return [
            standing or numbered.get(item)
            for item, standing in zip(identifiers, standings, strict=True)
        ]


async def number(graph: Graph, missing: Collection[Identifier]) -> dict[Identifier, Standing]:
    """Number what is still unknown; where all of them stand."""
    admitted = await graph.admit(missing)
    idents = {ident.no: ident for ident in admitted.values() if ident.new}
    places = {no: ident.place for no, ident in idents.items()}
    outcome = Outcome(created=list(idents.values()), changes=changes_of(idents, places))
    if outcome.created:
        await graph.save(outcome)
    anchors = {i.place.person_no for i in admitted.values() if not i.new} - idents.keys()
    known = idents | (await graph.numbered(anchors) if anchors else {})
    return {
        item: Standing(ident.no, ident.place.person_no, known[ident.place.person_no].key)
        for item, ident in admitted.items()
    }
