"""What an unlink lets out of quarantine."""

from collections.abc import Mapping

from siyu_identity.app.hold import hold
from siyu_identity.app.ports import Graph
from siyu_identity.domain.evidence import NOTHING, Edge
from siyu_identity.domain.ident import Ident
from siyu_identity.domain.policy import OWNERS, is_shared
from siyu_identity.domain.resolver import Pair


async def released(
    graph: Graph,
    idents: dict[int, Ident],
    before: Mapping[Pair, Edge],
    after: Mapping[Pair, Edge],
) -> tuple[set[int], dict[Pair, Edge]]:
    """Identifiers that are shared by too many no longer, with all their evidence.

    The components on the other side of that evidence are locked and added to ``idents``.
    """
    suspects = {
        no
        for pair, edge in after.items()
        if not edge.live and before.get(pair, NOTHING).live
        for no in pair
        if idents[no].place.quarantined
    }
    if not suspects:
        return set(), {}
    evidence = {**await graph.evidence_of(suspects), **after}
    others = {no for pair in evidence for no in pair}
    known = idents | await graph.numbered(others - idents.keys())
    free = {no for no in suspects if not _is_shared(no, known, evidence)}
    reopened = {pair: edge for pair, edge in evidence.items() if not free.isdisjoint(pair)}
    far = {no for pair in reopened for no in pair} - idents.keys()
    idents |= await hold(graph, (known[no] for no in far))
    return free, reopened


def _is_shared(suspect: int, known: Mapping[int, Ident], evidence: Mapping[Pair, Edge]) -> bool:
    linked = {
        no for pair, edge in evidence.items() if edge.live and suspect in pair for no in pair
    } - {suspect}
    owners = (known[no].type for no in linked if known[no].type in OWNERS)
    return is_shared(known[suspect].type, owners)
