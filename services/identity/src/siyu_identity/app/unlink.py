"""Withdraws the evidence between two identifiers."""

from siyu_identity.app.ports import ChangeFeed, Graph, Graphs, Names
from siyu_identity.app.transact import transact
from siyu_identity.app.weave import weave
from siyu_identity.domain.evidence import Identifier, unlink
from siyu_kit.clock import Clock
from siyu_kit.errors import InvalidInput, NotFound


class UnlinkIdentifiers:
    """Unlinks one pair; a repeated request changes nothing."""

    def __init__(self, graphs: Graphs, feed: ChangeFeed, clock: Clock) -> None:
        self._graphs = graphs
        self._feed = feed
        self._clock = clock

    async def __call__(
        self, project_id: str, request_id: str, left: Identifier, right: Identifier, content: bytes
    ) -> int:
        """The sequence of the last change that followed; 0 when none did, or it is not known yet.

        ``content`` is what was asked, to tell a repetition from another request with its id.
        Raises NotFound for identifiers without evidence, AlreadyExists for a reused request id.
        """
        if left == right:
            raise InvalidInput("FIELD_INVALID", "the two identifiers are the same", field="right")

        async def work(graph: Graph) -> list[int]:
            earlier = await graph.earlier(request_id, content)
            if earlier is not None:
                return earlier
            names, linked_ms = await _evidence(graph, left, right)
            # Not before the latest evidence, whatever the clocks say: it is withdrawn too.
            cut = unlink(max(self._clock.now_ms(), linked_ms))
            rows = (await weave(graph, {names: cut})).rows
            await graph.remember(request_id, content, rows)
            return rows

        rows = await transact(self._graphs, self._clock, project_id, work)
        return await self._feed.sequence_of(rows)


async def _evidence(graph: Graph, left: Identifier, right: Identifier) -> tuple[Names, int]:
    known = await graph.find((left, right))
    for field, identifier in (("left", left), ("right", right)):
        if identifier not in known:
            raise unknown_identifier(identifier, field)
    pair = (known[left].no, known[right].no)
    edges = await graph.edges([(min(pair), max(pair))])
    if not edges:
        raise NotFound(
            "EVIDENCE_UNKNOWN",
            "there is no evidence between the two identifiers",
            left=left.type,
            right=right.type,
        )
    return (left, right), max(edge.linked_ms for edge in edges.values())


def unknown_identifier(identifier: Identifier, field: str = "identifier") -> NotFound:
    """The error for an identifier that nobody has heard of; its value stays out of it."""
    return NotFound(
        "IDENTIFIER_UNKNOWN", f"{field} is not known", field=field, type=identifier.type
    )
