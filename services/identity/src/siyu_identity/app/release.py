"""What is let out of quarantine: by an unlink, by a change of what is laid down, by the policy."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from siyu_identity.app.hold import hold
from siyu_identity.app.ports import Graph
from siyu_identity.domain.evidence import NOTHING, Edge
from siyu_identity.domain.ident import SILENT, Ident
from siyu_identity.domain.kruskal import Pair
from siyu_identity.domain.policy import IdTypePolicy
from siyu_identity.domain.resolver import counts_as_owner


async def released(
    graph: Graph,
    idents: dict[int, Ident],
    suspects: AbstractSet[int],
    after: Mapping[Pair, Edge],
    policy: IdTypePolicy,
) -> tuple[set[int], dict[Pair, Edge]]:
    """Those of the suspects that are shared by too many no longer, with all their evidence.

    The components on the other side of that evidence are locked and added to ``idents``.
    ``after`` is what changes in this transaction.
    """
    if not suspects:
        return set(), {}
    evidence = {**await graph.evidence_of(suspects), **after}
    others = {no for pair in evidence for no in pair}
    known = idents | await graph.numbered(others - idents.keys())
    free = {no for no in suspects if _is_free(no, known, evidence, policy)}
    reopened = {pair: edge for pair, edge in evidence.items() if not free.isdisjoint(pair)}
    far = {no for pair in reopened for no in pair} - idents.keys()
    idents |= await hold(graph, (known[no] for no in far))
    return free, reopened


def suspects_of(
    idents: Mapping[int, Ident], before: Mapping[Pair, Edge], after: Mapping[Pair, Edge]
) -> set[int]:
    """Identifiers in quarantine that lose a link."""
    return {
        no
        for pair, edge in after.items()
        if not edge.live and before.get(pair, NOTHING).live
        for no in pair
        if idents[no].place.quarantined
    }


def _is_free(
    suspect: int,
    known: Mapping[int, Ident],
    evidence: Mapping[Pair, Edge],
    policy: IdTypePolicy,
) -> bool:
    if known[suspect].flags & SILENT:
        return False
    linked = {
        no for pair, edge in evidence.items() if edge.live and suspect in pair for no in pair
    } - {suspect}
    owners = [known[no].type for no in linked if counts_as_owner(known[no], policy)]
    return not policy.is_shared(known[suspect].type, owners, len(linked))
