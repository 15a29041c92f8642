"""Withdraws evidence."""

from collections.abc import Mapping

from siyu_identity.app.ports import Graph
from siyu_identity.app.weave import restate
from siyu_identity.domain.evidence import Edge, unlink
from siyu_identity.domain.kruskal import Pair
from siyu_kit.errors import NotFound


async def evidence_between(graph: Graph, left: int, right: int = 0) -> Mapping[Pair, Edge]:
    """What is known of a pair, or of everything that touches ``left`` when there is no right.

    Raises NotFound (EVIDENCE_UNKNOWN).
    """
    if right:
        edges = await graph.edges([(min(left, right), max(left, right))])
    else:
        edges = await graph.evidence_of([left])
    if not edges:
        raise NotFound(
            "EVIDENCE_UNKNOWN", "there is no evidence between the two identifiers",
            left=str(left), right=str(right),
        )  # fmt: skip
    return edges


async def cut(
    graph: Graph, edges: Mapping[Pair, Edge], now_ms: int, stirred: set[int]
) -> list[int]:
    """Withdraw evidence; what is not live any more stays as it is."""
    # Not before the latest evidence, whatever the clocks say: it is withdrawn too.
    cuts = {pair: unlink(max(now_ms, edge.linked_ms)) for pair, edge in edges.items() if edge.live}
    return await restate(graph, cuts, stirred)
