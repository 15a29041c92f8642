"""New places for the identifiers of a group: the short way when it is whole, else Kruskal."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from siyu_identity.domain.evidence import Edge
from siyu_identity.domain.grouping import Group
from siyu_identity.domain.ident import Ident, Place
from siyu_identity.domain.kruskal import Pair
from siyu_identity.domain.policy import IdTypePolicy, Refusal
from siyu_identity.domain.resolver import Resolution, anchor_of, resolve


@dataclass(slots=True)
class Settlement:
    """The places of every member of the groups, and the links turned down among them."""

    places: dict[int, Place] = field(default_factory=dict)
    conflicts: dict[Pair, Refusal] = field(default_factory=dict)


def settle(
    groups: Iterable[Group],
    idents: Mapping[int, Ident],
    changed: Mapping[Pair, Edge],
    evidence: Mapping[Pair, Edge],
    policy: IdTypePolicy,
    apart: AbstractSet[Pair] = frozenset(),
) -> Settlement:
    """Place everybody.

    Args:
        groups: who hangs together.
        idents: the members as they stand.
        changed: the evidence that changed.
        evidence: all evidence that touches the groups that are not whole, changes included.
        policy: what persons may hold.
        apart: pairs that no person may hold both ends of, of the groups that are not whole.
    """
    settlement = Settlement()
    earlier = _earlier(idents, changed)
    by_end = _by_end(evidence)
    for group in groups:
        if group.whole:
            _unite(group, idents, earlier, policy, settlement)
            continue
        nodes = {no: idents[no] for no in group.members}
        edges = {pair: edge for no in nodes for pair, edge in by_end.get(no, {}).items()}
        _place(resolve(nodes, edges, policy, apart), idents, settlement)
    return settlement


def _unite(
    group: Group,
    idents: Mapping[int, Ident],
    earlier: Mapping[int, int],
    policy: IdTypePolicy,
    settlement: Settlement,
) -> None:
    members = [idents[no] for no in group.members]
    first_ms = {no: earlier.get(no, idents[no].place.first_ms) for no in group.members}
    anchor = anchor_of(members, first_ms, policy)
    component = _name(group.members, idents)
    for no in group.members:
        settlement.places[no] = Place(component, anchor, False, first_ms[no])


def _place(resolution: Resolution, idents: Mapping[int, Ident], settlement: Settlement) -> None:
    settlement.conflicts.update(resolution.conflicts)
    for members in resolution.components:
        component = _name(members, idents)
        for no in members:
            settlement.places[no] = Place(
                component,
                resolution.anchors[no],
                no in resolution.quarantined,
                resolution.first_ms[no],
            )


def _name(members: Iterable[int], idents: Mapping[int, Ident]) -> int:
    """A component is named after one of its members, so names never collide.

    The old component with the most members here keeps its name if its namesake is among them:
    then the fewest rows change.
    """
    inside = sorted(members)
    sizes: dict[int, int] = {}
    for no in inside:
        old = idents[no].place.component
        sizes[old] = sizes.get(old, 0) + 1
    present = set(inside)
    names = [old for old in sizes if old in present]
    return max(names, key=lambda old: (sizes[old], -old)) if names else inside[0]


def _earlier(idents: Mapping[int, Ident], changed: Mapping[Pair, Edge]) -> dict[int, int]:
    """First times that live evidence has moved."""
    earlier: dict[int, int] = {}
    for pair, edge in changed.items():
        if not edge.live:
            continue
        for no in pair:
            known = earlier.get(no, idents[no].place.first_ms)
            earlier[no] = min(known, edge.first_ms)
    return earlier


def _by_end(evidence: Mapping[Pair, Edge]) -> dict[int, dict[Pair, Edge]]:
    ends: dict[int, dict[Pair, Edge]] = {}
    for pair, edge in evidence.items():
        for no in pair:
            ends.setdefault(no, {})[pair] = edge
    return ends
