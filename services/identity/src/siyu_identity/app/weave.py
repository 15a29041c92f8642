"""Adds evidence to the graph and moves whoever it moves, in a handful of set-based steps."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from siyu_identity.app.hold import hold
from siyu_identity.app.ports import Graph, Names, Outcome, Statements
from siyu_identity.app.release import released
from siyu_identity.domain.changes import changes_of
from siyu_identity.domain.evidence import NEVER, NOTHING, Edge, Identifier
from siyu_identity.domain.grouping import Grouping, group
from siyu_identity.domain.ident import Ident
from siyu_identity.domain.resolver import COMPONENT_LIMIT, Pair
from siyu_identity.domain.settling import settle
from siyu_kit.log import get_logger

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Woven:
    """What came of it."""

    rows: list[int] = field(default_factory=list)
    """Outbox rows that carry the changes."""
    contested: AbstractSet[Names] = frozenset()
    """Pairs that were unlinked at some time: each later link of them counts."""


async def weave(graph: Graph, statements: Statements, grain_ms: int = 0) -> Woven:
    """Join the statements to what is known, and move whoever moves.

    What is known already costs two look-ups and no lock. ``grain_ms``: see ``Edge.adds_to``.
    """
    known = await graph.find({item for names in statements for item in names})
    news, contested = await _news(graph, statements, known, grain_ms)
    if not news:
        return Woven([], contested)
    missing = {item for names in news for item in names} - known.keys()
    if missing:
        known |= await graph.admit(missing)
    said = _by_number(news, known)
    idents = await hold(graph, (known[item] for names in news for item in names))
    before = await graph.edges(pair for pair in said if not any(idents[no].new for no in pair))
    after = {
        pair: edge.join(before.get(pair, NOTHING))
        for pair, edge in said.items()
        if edge.adds_to(before.get(pair, NOTHING))
    }
    rows = await graph.save(await _outcome(graph, idents, before, after))
    cut = {names for names in news if _is_contested(after.get(_pair(known, names)))}
    return Woven(rows, contested | cut)


async def _news(
    graph: Graph, statements: Statements, known: Mapping[Identifier, Ident], grain_ms: int
) -> tuple[Statements, set[Names]]:
    """The statements that add to what is known, and the contested pairs among all of them."""
    pairs = {
        names: _pair(known, names)
        for names in statements
        if names[0] in known and names[1] in known
    }
    edges = await graph.edges(pairs.values())
    standing = {names: edges[pair] for names, pair in pairs.items() if pair in edges}
    news = {
        names: edge
        for names, edge in statements.items()
        if edge.adds_to(standing.get(names, NOTHING), grain_ms)
    }
    return news, {names for names, edge in standing.items() if _is_contested(edge)}


def _by_number(news: Statements, known: Mapping[Identifier, Ident]) -> dict[Pair, Edge]:
    said: dict[Pair, Edge] = {}
    for names, edge in news.items():
        pair = _pair(known, names)
        said[pair] = said[pair].join(edge) if pair in said else edge
    return said


async def _outcome(
    graph: Graph,
    idents: dict[int, Ident],
    before: Mapping[Pair, Edge],
    after: Mapping[Pair, Edge],
) -> Outcome:
    free, reopened = await released(graph, idents, before, after)
    stirring = {
        pair: edge
        for pair, edge in after.items()
        if any(idents[no].new for no in pair) or _stirs(edge, before.get(pair, NOTHING))
    }
    changed = {**reopened, **stirring}
    grouping = group(idents, before, changed, free)
    reviewed = [no for part in grouping.groups if not part.whole for no in part.members]
    evidence = await graph.evidence_of(no for no in reviewed if not idents[no].new)
    settlement = settle(grouping.groups, idents, changed, {**evidence, **changed})
    _log_refusals(grouping)
    return Outcome(
        created=[
            Ident(no, ident.type, ident.key, settlement.places[no], new=True)
            for no, ident in idents.items()
            if ident.new
        ],
        moved={
            no: place
            for no, place in settlement.places.items()
            if not idents[no].new and place != idents[no].place
        },
        edges=dict(after),
        conflicts=settlement.conflicts | dict.fromkeys(grouping.refused, COMPONENT_LIMIT),
        reviewed=reviewed,
        changes=changes_of(idents, settlement.places),
        unlinked=any(
            edge.unlinked_ms > before.get(pair, NOTHING).unlinked_ms for pair, edge in after.items()
        ),
    )


def _stirs(after: Edge, before: Edge) -> bool:
    """Whether persons can follow differently from it, or only its version is newer."""
    if not after.live:
        return before.live
    return not before.live or after[:2] != before[:2]


def _log_refusals(grouping: Grouping) -> None:
    for left, right in grouping.refused:
        _log.warning("component_too_large", left=left, right=right)


def _is_contested(edge: Edge | None) -> bool:
    return edge is not None and edge.unlinked_ms != NEVER


def _pair(known: Mapping[Identifier, Ident], names: Names) -> Pair:
    left, right = known[names[0]].no, known[names[1]].no
    return (left, right) if left < right else (right, left)
