"""Adds evidence to the graph and moves whoever it moves, in a handful of set-based steps."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from siyu_identity.app.hold import hold
from siyu_identity.app.ports import Graph, Names, Statements
from siyu_identity.app.reconsider import Said, outcome_of
from siyu_identity.domain.evidence import NEVER, NOTHING, Edge, Identifier
from siyu_identity.domain.ident import Flag, Ident
from siyu_identity.domain.kruskal import Pair


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
    joined = await _joined(graph, idents, said)
    rows = await graph.save(await outcome_of(graph, idents, joined))
    cut = {names for names in news if _is_contested(joined.after.get(_pair(known, names)))}
    return Woven(rows, contested | cut)


async def restate(
    graph: Graph, said: Mapping[Pair, Edge], stirred: AbstractSet[int] = frozenset()
) -> list[int]:
    """Join what stewards say of known identifiers, and look at the stirred ones whatever it says.

    Returns the outbox rows that carry the changes.
    """
    numbers = {no for pair in said for no in pair} | stirred
    idents = await hold(graph, (await graph.numbered(numbers)).values())
    joined = await _joined(graph, idents, said)
    outcome = await outcome_of(graph, idents, joined, stirred)
    return await graph.save(replace(outcome, by_hand=True))


async def _joined(graph: Graph, idents: Mapping[int, Ident], said: Mapping[Pair, Edge]) -> Said:
    """What is known of the pairs under the lock, and what is known with this."""
    before = await graph.edges(pair for pair in said if not any(idents[no].new for no in pair))
    silent = {no for no, ident in idents.items() if ident.flags & Flag.ERASED}
    after = {
        pair: edge.join(before.get(pair, NOTHING))
        for pair, edge in said.items()
        if edge.adds_to(before.get(pair, NOTHING)) and silent.isdisjoint(pair)
    }
    return Said(before, after)


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


def _is_contested(edge: Edge | None) -> bool:
    return edge is not None and edge.unlinked_ms != NEVER


def _pair(known: Mapping[Identifier, Ident], names: Names) -> Pair:
    left, right = known[names[0]].no, known[names[1]].no
    return (left, right) if left < right else (right, left)
