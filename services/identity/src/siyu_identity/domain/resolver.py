"""Persons as a pure function of evidence and policy: constrained Kruskal.

Links are taken from the strongest and earliest on; one that would give a person more than the
policy allows is turned down and recorded. The result depends on the set of evidence alone: ties
are broken by keys derived from the identifiers, never by numbers that arrival gave them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Protocol

from siyu_identity.domain.evidence import UNSEEN, Edge
from siyu_identity.domain.forest import Forest
from siyu_identity.domain.ident import SILENT, Flag
from siyu_identity.domain.kruskal import Node as Spannable
from siyu_identity.domain.kruskal import Pair, first_links, span
from siyu_identity.domain.policy import IdTypePolicy, Refusal

_LAST_RANK = 10_000
"""Added to the rank of an identifier that another one took the place of."""


class Node(Spannable, Protocol):
    """An identifier as the resolver sees it."""

    @property
    def no(self) -> int:
        """Its number."""
        ...


@dataclass(slots=True)
class Resolution:
    """What follows from the evidence over some identifiers."""

    anchors: dict[int, int] = field(default_factory=dict)
    """Each identifier with the one that its person is named after."""
    components: list[list[int]] = field(default_factory=list)
    """Identifiers that hang together by live links, turned down or not."""
    quarantined: set[int] = field(default_factory=set)
    """Identifiers that link nobody: shared by too many, or silenced."""
    first_ms: dict[int, int] = field(default_factory=dict)
    """Earliest live evidence of each identifier, UNSEEN without any."""
    accepted: set[Pair] = field(default_factory=set)
    """The links that made the persons."""
    conflicts: dict[Pair, Refusal] = field(default_factory=dict)


def resolve(
    nodes: Mapping[int, Node],
    edges: Mapping[Pair, Edge],
    policy: IdTypePolicy,
    apart: AbstractSet[Pair] = frozenset(),
) -> Resolution:
    """The persons among ``nodes``.

    Args:
        nodes: the identifiers, by number.
        edges: all evidence that touches them. A link that leads out of them (to an identifier in
            quarantine) is not followed, but counts for first times and for how many share one.
        policy: what persons may hold.
        apart: pairs that no person may hold both ends of.
    """
    live = {pair: edge for pair, edge in edges.items() if edge.live}
    first_ms = _first_times(nodes, live)
    quarantined = _quarantined(nodes, live, policy)
    usable = {
        pair: edge
        for pair, edge in live.items()
        if all(no in nodes and no not in quarantined for no in pair)
    }
    hanging = Forest(nodes)
    for left, right in usable:
        hanging.union(left, right)
    dropped = first_links(nodes, usable, policy) if policy.first_link_only else {}
    spanned = span(nodes, {p: e for p, e in usable.items() if p not in dropped}, policy, apart)
    resolution = Resolution(
        components=list(hanging.groups()),
        quarantined=quarantined,
        first_ms=first_ms,
        accepted=spanned.accepted,
        conflicts=spanned.refused | dropped,
    )
    for group in spanned.persons.groups():
        anchor = anchor_of((nodes[no] for no in group), first_ms, policy)
        resolution.anchors.update(dict.fromkeys(group, anchor))
    return resolution


def anchor_of(members: Iterable[Node], first_ms: Mapping[int, int], policy: IdTypePolicy) -> int:
    """The identifier that a person is named after: best rank, then earliest, then by key."""

    def order(node: Node) -> tuple[int, int, bytes]:
        rank = policy.rule(node.type).rank
        if node.flags & Flag.RETIRED:
            rank += _LAST_RANK
        return rank, first_ms[node.no], node.key

    return min(members, key=order).no


def counts_as_owner(node: Node, policy: IdTypePolicy) -> bool:
    """Whether somebody linked to it is shared with one human more."""
    return policy.is_owner(node.type) and not node.flags & (SILENT | Flag.RETIRED)


def _first_times(nodes: Mapping[int, Node], live: Mapping[Pair, Edge]) -> dict[int, int]:
    first_ms = dict.fromkeys(nodes, UNSEEN)
    for pair, edge in live.items():
        for no in pair:
            if no in first_ms:
                first_ms[no] = min(first_ms[no], edge.first_ms)
    return first_ms


def _quarantined(nodes: Mapping[int, Node], live: Iterable[Pair], policy: IdTypePolicy) -> set[int]:
    """Identifiers that are silenced, or have live links to too many."""
    degrees: defaultdict[int, int] = defaultdict(int)
    owners: defaultdict[int, list[str]] = defaultdict(list)
    counting = {no for no, node in nodes.items() if counts_as_owner(node, policy)}
    for pair in live:
        for no, other in (pair, pair[::-1]):
            degrees[no] += 1
            if other in counting:
                owners[no].append(nodes[other].type)
    return {
        no
        for no, node in nodes.items()
        if node.flags & SILENT or policy.is_shared(node.type, owners[no], degrees[no])
    }
