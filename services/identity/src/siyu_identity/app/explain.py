"""Shows a person's evidence and says why identifiers belong together, or do not."""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Final, NamedTuple

from siyu_identity.app.ports import Graph, Graphs
from siyu_identity.app.propose import numbers_of
from siyu_identity.domain.evidence import Edge, Identifier
from siyu_identity.domain.ident import Ident
from siyu_identity.domain.kruskal import Pair
from siyu_identity.domain.resolver import Resolution, resolve
from siyu_identity.domain.verdict import Judged, Verdict, judge, path

MAX_NODES: Final = 2_000
MAX_LINKS: Final = 5_000


class Known(NamedTuple):
    """An identifier with its value."""

    ident: Ident
    identifier: Identifier


class Picture(NamedTuple):
    """What hangs together."""

    nodes: list[Known]
    links: list[Judged]
    truncated: bool


class Explanation(NamedTuple):
    """Why two identifiers are one person, or are not."""

    same_person: bool
    way: list[Known]
    links: list[Judged]


class ExplainIdentity:
    """Answers from one snapshot."""

    def __init__(self, graphs: Graphs) -> None:
        self._graphs = graphs

    async def graph_of(self, project_id: str, identifier: Identifier) -> Picture:
        """Everything that hangs together with an identifier; raises NotFound."""
        async with self._graphs.snapshot(project_id) as graph:
            number = (await numbers_of(graph, [identifier]))[identifier]
            members, evidence, resolution = await _resolved(graph, [number])
            own = members[number].place.person_no
            judged = [judge(pair, edge, resolution) for pair, edge in evidence.items()]
            judged.sort(key=lambda item: (not _touches(item, members, own), item.pair))
            shown = sorted(members, key=lambda no: (members[no].place.person_no != own, no))
            beyond = {no for item in judged for no in item.pair} - members.keys()
            numbers = [*shown, *sorted(beyond)]
            nodes = await _named(graph, numbers[:MAX_NODES])
            truncated = len(numbers) > MAX_NODES or len(judged) > MAX_LINKS
            return Picture(list(nodes.values()), judged[:MAX_LINKS], truncated)

    async def __call__(self, project_id: str, left: Identifier, right: Identifier) -> Explanation:
        """The path of accepted evidence, or for two persons what there is between them."""
        async with self._graphs.snapshot(project_id) as graph:
            known = await numbers_of(graph, [left, right])
            start, end = known[left], known[right]
            members, evidence, resolution = await _resolved(graph, [start, end])
            accepted = {pair: evidence[pair] for pair in resolution.accepted}
            way = path(accepted, start, end)
            steps = [(min(here, there), max(here, there)) for here, there in pairwise(way)]
            if way:
                judged = [Judged(pair, evidence[pair], Verdict.ACCEPTED) for pair in steps]
                nodes = await _named(graph, way)
                return Explanation(True, [nodes[no] for no in way], judged)
            persons = {members[start].place.person_no, members[end].place.person_no}
            between = [
                judge(pair, edge, resolution)
                for pair, edge in evidence.items()
                if _persons(pair, members) == persons or set(pair) == {start, end}
            ]
            nodes = await _named(graph, [start, end])
            return Explanation(False, [nodes[start], nodes[end]], between[:MAX_LINKS])


async def _resolved(
    graph: Graph, numbers: Iterable[int]
) -> tuple[dict[int, Ident], Mapping[Pair, Edge], Resolution]:
    """The components of the numbers, their evidence, and what follows from it."""
    known = await graph.numbered(numbers)
    members = await graph.members({ident.place.component for ident in known.values()})
    evidence = await graph.evidence_of(members)
    quiet = {no for no, ident in members.items() if ident.place.quarantined}
    awake = {no: ident for no, ident in members.items() if no not in quiet}
    policy, apart = await graph.policy(), await graph.apart(members)
    return members, evidence, resolve(awake, evidence, policy, apart)


async def _named(graph: Graph, numbers: list[int]) -> dict[int, Known]:
    idents = await graph.numbered(numbers)
    names = await graph.named(numbers)
    return {no: Known(idents[no], names[no]) for no in numbers if no in idents}


def _persons(pair: Pair, members: Mapping[int, Ident]) -> set[int]:
    return {members[no].place.person_no for no in pair if no in members}


def _touches(item: Judged, members: Mapping[int, Ident], person_no: int) -> bool:
    return person_no in _persons(item.pair, members)
