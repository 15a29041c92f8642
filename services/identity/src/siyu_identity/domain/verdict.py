"""What became of each piece of evidence, told from a resolution."""

from collections import defaultdict, deque
from collections.abc import Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from siyu_identity.domain.evidence import Edge
from siyu_identity.domain.kruskal import Pair
from siyu_identity.domain.policy import Limit
from siyu_identity.domain.resolver import Resolution


class Verdict(IntEnum):
    """What became of evidence (the numbers of the contract)."""

    ACCEPTED = 1
    REDUNDANT = 2
    UNLINKED = 3
    QUARANTINED = 4
    TYPE_LIMIT = 5
    SIZE_LIMIT = 6
    COMPONENT_LIMIT = 7
    CANNOT_LINK = 8
    NOT_FIRST = 9


BY_LIMIT: Final[Mapping[Limit, Verdict]] = {
    Limit.TYPE: Verdict.TYPE_LIMIT,
    Limit.SIZE: Verdict.SIZE_LIMIT,
    Limit.COMPONENT: Verdict.COMPONENT_LIMIT,
    Limit.CANNOT_LINK: Verdict.CANNOT_LINK,
    Limit.NOT_FIRST: Verdict.NOT_FIRST,
}


class Judged(NamedTuple):
    """Evidence and what became of it."""

    pair: Pair
    edge: Edge
    verdict: Verdict
    type: str = ""
    """The type of which there would be too many."""


def judge(pair: Pair, edge: Edge, resolution: Resolution) -> Judged:
    """What became of one pair's evidence."""
    if not edge.live:
        return Judged(pair, edge, Verdict.UNLINKED)
    refusal = resolution.conflicts.get(pair)
    if refusal is not None:
        return Judged(pair, edge, BY_LIMIT[refusal.reason], refusal.type)
    if pair in resolution.accepted:
        return Judged(pair, edge, Verdict.ACCEPTED)
    anchors = resolution.anchors
    left, right = anchors.get(pair[0], -1), anchors.get(pair[1], -2)
    if left == right:
        return Judged(pair, edge, Verdict.REDUNDANT)
    return Judged(pair, edge, Verdict.QUARANTINED)


def path(links: Mapping[Pair, Edge], start: int, end: int) -> list[int]:
    """The way over accepted links, ends included; empty when there is none."""
    near: defaultdict[int, list[int]] = defaultdict(list)
    for left, right in links:
        near[left].append(right)
        near[right].append(left)
    came_from = {start: start}
    waiting = deque([start])  # bounded: each identifier of the links waits once
    while waiting:
        here = waiting.popleft()
        if here == end:
            break
        for there in sorted(near[here]):
            if there not in came_from:
                came_from[there] = here
                waiting.append(there)
    if end not in came_from:
        return []
    way = [end]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    return way[::-1]
