"""What follows from changed evidence or a second look: who moves where, what is refused."""

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from siyu_identity.app.ports import Graph, Outcome
from siyu_identity.app.release import released, suspects_of
from siyu_identity.domain.changes import changes_of
from siyu_identity.domain.evidence import NOTHING, Edge
from siyu_identity.domain.grouping import Grouping, group
from siyu_identity.domain.ident import Flag, Ident, Place
from siyu_identity.domain.kruskal import Pair
from siyu_identity.domain.policy import IdTypePolicy, Limit, Refusal
from siyu_identity.domain.settling import settle
from siyu_kit.log import get_logger

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Said:
    """The pairs whose evidence changes."""

    before: Mapping[Pair, Edge]
    after: Mapping[Pair, Edge]


async def outcome_of(
    graph: Graph,
    idents: dict[int, Ident],
    said: Said,
    stirred: AbstractSet[int] = frozenset(),
) -> Outcome:
    """What to write.

    Args:
        graph: where the rest of the evidence is.
        idents: all members of every component that the pairs and the stirred touch, locked.
        said: the evidence that changes.
        stirred: identifiers to look at whatever the evidence says.
    """
    before, after = said.before, said.after
    policy = await graph.policy()
    suspects = suspects_of(idents, before, after)
    suspects |= {no for no in stirred if idents[no].place.quarantined}
    free, reopened = await released(graph, idents, suspects, after, policy)
    stirring = {
        pair: edge
        for pair, edge in after.items()
        if any(idents[no].new for no in pair) or _stirs(edge, before.get(pair, NOTHING))
    }
    changed = {**reopened, **stirring}
    awake = {no for no in stirred if not idents[no].place.quarantined}
    grouping = group(idents, before, changed, policy, free, awake)
    grouping.look_at(await _crowded(graph, grouping, idents, before, stirring, policy))
    reviewed = [no for part in grouping.groups if not part.whole for no in part.members]
    evidence = await graph.evidence_of(no for no in reviewed if not idents[no].new)
    fenced = [no for no in reviewed if idents[no].flags & Flag.APART]
    apart = await graph.apart(fenced) if fenced else set()
    settlement = settle(grouping.groups, idents, changed, {**evidence, **changed}, policy, apart)
    places = {no: i.place for no, i in idents.items() if i.new} | settlement.places
    _log_refusals(grouping)
    refused = dict.fromkeys(grouping.refused, Refusal(Limit.COMPONENT))
    return Outcome(
        created=[replace(i, place=places[no]) for no, i in idents.items() if i.new],
        moved=_moved(idents, settlement.places),
        edges=dict(after),
        conflicts=settlement.conflicts | refused,
        reviewed=reviewed,
        changes=changes_of(idents, places),
        unlinked=any(
            edge.unlinked_ms > before.get(pair, NOTHING).unlinked_ms for pair, edge in after.items()
        ),
    )


async def _crowded(
    graph: Graph,
    grouping: Grouping,
    idents: Mapping[int, Ident],
    before: Mapping[Pair, Edge],
    after: Mapping[Pair, Edge],
    policy: IdTypePolicy,
) -> set[int]:
    """Members of whole groups with more neighbours than one may have, those in quarantine too."""
    members = [no for part in grouping.groups if part.whole for no in part.members]
    known = await graph.degrees(no for no in members if not idents[no].new)
    added = Counter(
        no
        for pair, edge in after.items()
        if edge.live and not before.get(pair, NOTHING).live
        for no in pair
    )
    return {no for no in members if known.get(no, 0) + added[no] > policy.max_neighbours}


def _moved(idents: Mapping[int, Ident], places: Mapping[int, Place]) -> dict[int, Place]:
    return {
        no: place
        for no, place in places.items()
        if not idents[no].new and place != idents[no].place
    }


def _stirs(after: Edge, before: Edge) -> bool:
    """Whether persons can follow differently from it, or only its version is newer."""
    if not after.live:
        return before.live
    return not before.live or after[:2] != before[:2]


def _log_refusals(grouping: Grouping) -> None:
    for left, right in grouping.refused:
        _log.warning("component_too_large", left=left, right=right)
