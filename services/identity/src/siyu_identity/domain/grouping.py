"""What new evidence brings together, and how closely it has to be looked at."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from siyu_identity.domain.evidence import Edge
from siyu_identity.domain.forest import Forest
from siyu_identity.domain.ident import Ident
from siyu_identity.domain.kruskal import Pair
from siyu_identity.domain.policy import MAX_COMPONENT, IdTypePolicy


@dataclass(frozen=True, slots=True)
class Group:
    """Components that hang together now."""

    members: tuple[int, ...]
    whole: bool
    """They make one admissible person, so their evidence need not be looked at."""


@dataclass(slots=True)
class Grouping:
    """The groups, and the links that were not followed because a component would be too large."""

    groups: list[Group] = field(default_factory=list)
    refused: set[Pair] = field(default_factory=set)

    def look_at(self, numbers: AbstractSet[int]) -> None:
        """Have the groups of these identifiers looked at closely."""
        self.groups = [
            replace(part, whole=part.whole and numbers.isdisjoint(part.members))
            for part in self.groups
        ]


def group(
    idents: Mapping[int, Ident],
    before: Mapping[Pair, Edge],
    after: Mapping[Pair, Edge],
    policy: IdTypePolicy,
    released: AbstractSet[int] = frozenset(),
    stirred: AbstractSet[int] = frozenset(),
    limit: int = MAX_COMPONENT,
) -> Grouping:
    """Group whole components by the evidence that changed.

    Args:
        idents: all members of every component that the pairs touch.
        before: what was known of the pairs that changed.
        after: what is known now.
        policy: what persons may hold.
        released: identifiers in quarantine that may leave it; ``after`` has all their evidence.
        stirred: identifiers whose components are to be looked at whatever the evidence says.
        limit: most members of a component.
    """
    components: defaultdict[int, list[int]] = defaultdict(list)
    for ident in idents.values():
        components[ident.place.component].append(ident.no)
    sizes = {name: len(members) for name, members in components.items()}
    forest, grouping = Forest(components), Grouping()
    touched: set[int] = set()
    torn = {idents[no].place.component for no in stirred}
    for pair, edge in after.items():
        ends = [idents[no] for no in pair if _follows(idents[no], released)]
        touched.update(end.place.component for end in ends)
        if not edge.live:
            if pair in before and before[pair].live:
                torn.update(end.place.component for end in ends)
        elif len(ends) == 2 and not _unite(forest, sizes, ends, limit):
            grouping.refused.add(pair)
    torn.update(idents[no].place.component for no in released)
    joined: defaultdict[int, list[int]] = defaultdict(list)
    for component in sorted(touched | torn):
        joined[forest.find(component)].append(component)
    for parts in joined.values():
        members = [idents[no] for part in parts for no in components[part]]
        whole = torn.isdisjoint(parts) and _is_whole(members, policy)
        grouping.groups.append(Group(tuple(ident.no for ident in members), whole))
    return grouping


def _follows(ident: Ident, released: AbstractSet[int]) -> bool:
    return not ident.place.quarantined or ident.no in released


def _unite(forest: Forest, sizes: dict[int, int], ends: Iterable[Ident], limit: int) -> bool:
    left, right = (forest.find(end.place.component) for end in ends)
    if left == right:
        return True
    together = sizes[left] + sizes[right]
    if together > limit:
        return False
    sizes[forest.union(left, right)] = together
    return True


def _is_whole(members: list[Ident], policy: IdTypePolicy) -> bool:
    """Whether every part is one person already, and all of them may be one person together.

    Nobody in such a person is shared by too many owners: it has no more of a type than one person
    may hold. Its neighbours are another matter: those in quarantine count, and are not in here.
    """
    if policy.first_link_only:
        return False
    person_of: dict[int, int] = {}
    for ident in members:
        place = ident.place
        if ident.flags or place.quarantined:
            return False
        if person_of.setdefault(place.component, place.person_no) != place.person_no:
            return False
    return policy.too_many(Counter(ident.type for ident in members)) is None
