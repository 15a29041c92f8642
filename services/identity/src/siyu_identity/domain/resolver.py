"""Persons as a pure function of evidence: constrained Kruskal.

Links are taken from the strongest and earliest on; one that would give a person more than the
policy allows is turned down and recorded. The result depends on the set of evidence alone: ties
are broken by keys derived from the identifiers, never by numbers that arrival gave them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from siyu_identity.domain.evidence import UNSEEN, Edge
from siyu_identity.domain.forest import Forest
from siyu_identity.domain.policy import fits, is_shared
from siyu_kit.identifiers import RANKS

Pair = tuple[int, int]
"""Two identifiers by number, the smaller one first."""

TYPE_LIMIT: Final = "type_limit"
"""A link turned down because the person would hold too many identifiers of a type."""

COMPONENT_LIMIT: Final = "component_limit"
"""A link not followed because too many identifiers would hang together."""


class Node(Protocol):
    """An identifier as the resolver sees it."""

    @property
    def no(self) -> int:
        """Its number."""
        ...

    @property
    def type(self) -> str:
        """Its type."""
        ...

    @property
    def key(self) -> bytes:
        """Derived from type and value: orders identifiers the same way everywhere."""
        ...


@dataclass(slots=True)
class Resolution:
    """What follows from the evidence over some identifiers."""

    anchors: dict[int, int] = field(default_factory=dict)
    """Each identifier with the one that its person is named after."""
    components: list[list[int]] = field(default_factory=list)
    """Identifiers that hang together by live links, turned down or not."""
    quarantined: set[int] = field(default_factory=set)
    first_ms: dict[int, int] = field(default_factory=dict)
    """Earliest live evidence of each identifier, UNSEEN without any."""
    conflicts: dict[Pair, str] = field(default_factory=dict)


def resolve(nodes: Mapping[int, Node], edges: Mapping[Pair, Edge]) -> Resolution:
    """The persons among ``nodes``.

    Args:
        nodes: the identifiers, by number.
        edges: all evidence that touches them. A link that leads out of them (to an identifier in
            quarantine) is not followed, but counts for first times.
    """
    live = {pair: edge for pair, edge in edges.items() if edge.live}
    first_ms = _first_times(nodes, live)
    quarantined = _quarantined(nodes, live)
    usable = {
        pair: edge
        for pair, edge in live.items()
        if all(no in nodes and no not in quarantined for no in pair)
    }
    hanging = Forest(nodes)
    for left, right in usable:
        hanging.union(left, right)
    persons, conflicts = _kruskal(nodes, usable)
    resolution = Resolution(
        components=list(hanging.groups()),
        quarantined=quarantined,
        first_ms=first_ms,
        conflicts=conflicts,
    )
    for group in persons.groups():
        anchor = anchor_of((nodes[no] for no in group), first_ms)
        resolution.anchors.update(dict.fromkeys(group, anchor))
    return resolution


def anchor_of(members: Iterable[Node], first_ms: Mapping[int, int]) -> int:
    """The identifier that a person is named after: best rank, then earliest, then by key."""
    return min(members, key=lambda node: (RANKS[node.type], first_ms[node.no], node.key)).no


def _first_times(nodes: Mapping[int, Node], live: Mapping[Pair, Edge]) -> dict[int, int]:
    first_ms = dict.fromkeys(nodes, UNSEEN)
    for pair, edge in live.items():
        for no in pair:
            if no in first_ms:
                first_ms[no] = min(first_ms[no], edge.first_ms)
    return first_ms


def _quarantined(nodes: Mapping[int, Node], live: Iterable[Pair]) -> set[int]:
    """Identifiers with live links to too many distinct owners."""
    neighbours: defaultdict[int, list[str]] = defaultdict(list)
    for left, right in live:
        if left in nodes and right in nodes:
            neighbours[left].append(nodes[right].type)
            neighbours[right].append(nodes[left].type)
    return {no for no, node in nodes.items() if is_shared(node.type, neighbours[no])}


def _kruskal(
    nodes: Mapping[int, Node], usable: Mapping[Pair, Edge]
) -> tuple[Forest, dict[Pair, str]]:
    def order(pair: Pair) -> tuple[int, int, bytes, bytes]:
        edge, keys = usable[pair], sorted((nodes[pair[0]].key, nodes[pair[1]].key))
        return edge.strength, edge.first_ms, keys[0], keys[1]

    persons = Forest(nodes)
    held = {no: Counter({node.type: 1}) for no, node in nodes.items()}
    conflicts: dict[Pair, str] = {}
    for pair in sorted(usable, key=order):
        left, right = persons.find(pair[0]), persons.find(pair[1])
        if left == right:
            continue
        together = held[left] + held[right]
        if fits(together):
            held[persons.union(left, right)] = together
        else:
            conflicts[pair] = TYPE_LIMIT
    return persons, conflicts
