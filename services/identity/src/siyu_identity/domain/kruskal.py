"""Persons from links: the strongest and earliest first, unless the policy forbids the union."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final, Protocol

from siyu_identity.domain.evidence import Edge
from siyu_identity.domain.forest import Forest
from siyu_identity.domain.ident import Flag
from siyu_identity.domain.policy import IdTypePolicy, Limit, Refusal

_RETIRED: Final = int(Flag.RETIRED)
"""A plain number: the flag's own operators cost ten times as much."""

Pair = tuple[int, int]
"""Two identifiers by number, the smaller one first."""


class Node(Protocol):
    """What is asked of an identifier here."""

    @property
    def type(self) -> str:
        """Its type."""
        ...

    @property
    def key(self) -> bytes:
        """Derived from type and value: orders identifiers the same way everywhere."""
        ...

    @property
    def flags(self) -> int:
        """What is laid down about it (Flag)."""
        ...


@dataclass(slots=True)
class Spanned:
    """What came of the links."""

    persons: Forest
    accepted: set[Pair] = field(default_factory=set)
    refused: dict[Pair, Refusal] = field(default_factory=dict)


def span(
    nodes: Mapping[int, Node],
    usable: Mapping[Pair, Edge],
    policy: IdTypePolicy,
    apart: AbstractSet[Pair],
) -> Spanned:
    """Take the links in their order; those that the policy forbids are refused with the reason."""
    spanned = Spanned(Forest(nodes))
    persons, held = spanned.persons, {no: _weight(node) for no, node in nodes.items()}
    foes = _foes(apart, nodes)
    for pair in in_order(usable, nodes):
        left, right = persons.find(pair[0]), persons.find(pair[1])
        if left == right:
            continue
        together = _sum(held[left], held[right])
        refusal = policy.too_many(together)
        if refusal is None and _are_foes(persons, foes, left, right):
            refusal = Refusal(Limit.CANNOT_LINK)
        if refusal is not None:
            spanned.refused[pair] = refusal
            continue
        root = persons.union(left, right)
        held[root] = together
        if foes:
            foes[root] = foes.pop(left, set()) | foes.pop(right, set())
        spanned.accepted.add(pair)
    return spanned


def in_order(usable: Mapping[Pair, Edge], nodes: Mapping[int, Node]) -> list[Pair]:
    """By strength and first time; ties are broken by keys that no arrival decides."""

    def order(pair: Pair) -> tuple[int, int, bytes, bytes]:
        edge, left, right = usable[pair], nodes[pair[0]].key, nodes[pair[1]].key
        if left > right:
            left, right = right, left
        return edge.strength, edge.first_ms, left, right

    return sorted(usable, key=order)


def first_links(
    nodes: Mapping[int, Node], usable: Mapping[Pair, Edge], policy: IdTypePolicy
) -> dict[Pair, Refusal]:
    """The links that do not count because an owner at one end had an earlier one."""
    first: dict[int, Pair] = {}

    def order(pair: Pair) -> tuple[int, bytes, bytes]:
        keys = sorted((nodes[pair[0]].key, nodes[pair[1]].key))
        return usable[pair].first_ms, keys[0], keys[1]

    for pair in sorted(usable, key=order):
        for no in pair:
            if policy.is_owner(nodes[no].type):
                first.setdefault(no, pair)
    return {
        pair: Refusal(Limit.NOT_FIRST)
        for pair in usable
        if any(no in first and first[no] != pair for no in pair)
    }


def _weight(node: Node) -> dict[str, int]:
    """What it counts for in a person: nothing when another one took its place."""
    return {} if node.flags & _RETIRED else {node.type: 1}


def _sum(left: Mapping[str, int], right: Mapping[str, int]) -> dict[str, int]:
    both = dict(left)
    for name, count in right.items():
        both[name] = both.get(name, 0) + count
    return both


def _foes(apart: Iterable[Pair], nodes: Mapping[int, Node]) -> dict[int, set[int]]:
    """For each one whom it must not be with: members to begin with, later roots."""
    foes: defaultdict[int, set[int]] = defaultdict(set)
    for left, right in apart:
        if left in nodes and right in nodes:
            foes[left].add(right)
            foes[right].add(left)
    return foes


def _are_foes(persons: Forest, foes: Mapping[int, set[int]], left: int, right: int) -> bool:
    return any(persons.find(foe) == right for foe in foes.get(left, ()))
