"""Adds evidence that somebody states."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from siyu_identity.app.ports import ChangeFeed, Graph, Graphs, Names
from siyu_identity.app.transact import transact
from siyu_identity.app.weave import weave
from siyu_identity.domain.evidence import Edge, Identifier, link, star
from siyu_kit.clock import Clock
from siyu_kit.errors import InvalidInput


class Claim(NamedTuple):
    """A statement that identifiers belong to one person."""

    identifiers: Sequence[Identifier]
    strength: int
    time_ms: int


class LinkEvidence:
    """Links many at once, in one transaction."""

    def __init__(self, graphs: Graphs, feed: ChangeFeed, clock: Clock) -> None:
        self._graphs = graphs
        self._feed = feed
        self._clock = clock

    async def __call__(self, project_id: str, claims: Iterable[Claim]) -> int:
        """The sequence of the last change that followed; 0 when none did, or it is not known yet.

        Raises InvalidInput for a claim that ``check`` would refuse.
        """
        now_ms = self._clock.now_ms()
        statements: dict[Names, Edge] = {}
        for claim in claims:
            said = link(claim.strength, min(claim.time_ms, now_ms))
            for names in check(claim):
                known = statements.get(names)
                statements[names] = said if known is None else known.join(said)

        async def work(graph: Graph) -> list[int]:
            return (await weave(graph, statements)).rows

        rows = await transact(self._graphs, self._clock, project_id, work)
        return await self._feed.sequence_of(rows)


def check(claim: Claim) -> list[Names]:
    """The pairs that a claim ties together.

    Raises InvalidInput (EVIDENCE_EMPTY) when placeholders and repetitions leave fewer than two.
    """
    pairs = star(claim.identifiers)
    if not pairs:
        raise InvalidInput(
            "EVIDENCE_EMPTY",
            "fewer than two distinct identifiers are left when placeholders are taken out",
            field="ids",
        )
    return pairs
