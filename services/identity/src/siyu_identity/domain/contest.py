"""The part of a re-stitch that does not fit together: Kruskal, component by component."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siyu_identity.domain.evidence import NEVER, Edge
from siyu_identity.domain.hanging import Numbers
from siyu_identity.domain.kruskal import Pair, first_links, span
from siyu_identity.domain.policy import IdTypePolicy, Refusal
from siyu_identity.domain.resolver import anchor_of
from siyu_identity.domain.world import World


class Node(NamedTuple):
    """One identifier of a world."""

    no: int
    type: str
    key: bytes
    flags: int


class Contest:
    """Settles components in which links contradict each other."""

    def __init__(self, world: World, policy: IdTypePolicy, first_ms: NDArray[np.int64]) -> None:
        self._world, self._policy, self._first_ms = world, policy, first_ms
        self.refused: dict[Pair, Refusal] = {}
        """Links that do not count, and why."""

    def settle(
        self,
        roots: Numbers,
        contested: NDArray[np.bool_],
        followed: NDArray[np.bool_],
        persons: NDArray[np.int32],
    ) -> None:
        """Put the persons of contested roots right.

        Args:
            roots: the root of each identifier.
            contested: whether what has this root is settled here.
            followed: the links that neither end's quarantine silences.
            persons: whose each identifier is.
        """
        world = self._world
        lefts, rights = (np.frombuffer(ends, np.int32) for ends in (world.lefts, world.rights))
        strengths = np.frombuffer(world.strengths, np.uint8)
        firsts = np.frombuffer(world.firsts, np.int64)
        members, one = _by_root(roots, np.flatnonzero(contested[roots]))
        links = np.flatnonzero(followed & contested[roots[lefts]])
        links, other = _by_root(roots[lefts], links)
        apart = self._apart(roots)
        numbers = members.tolist()
        said = [column[links].tolist() for column in (lefts, rights, strengths, firsts)]
        # What hangs together has links, so both are cut at the same roots.
        for (root, start, end), (_, first, last) in zip(one, other, strict=True):
            usable = {
                (left, right): Edge(strength, first_ms, 0, NEVER)
                for left, right, strength, first_ms in zip(
                    *(column[first:last] for column in said), strict=True
                )
            }
            self._span(numbers[start:end], usable, apart.get(root, set()), persons)

    def _apart(self, roots: Numbers) -> dict[int, set[Pair]]:
        """The pairs to be kept apart that hang together, by root."""
        apart: defaultdict[int, set[Pair]] = defaultdict(set)
        for left, right in self._world.apart:
            if roots[left] == roots[right]:
                apart[int(roots[left])].add((left, right))
        return apart

    def _span(
        self,
        numbers: Iterable[int],
        usable: dict[Pair, Edge],
        apart: set[Pair],
        persons: NDArray[np.int32],
    ) -> None:
        policy, nodes = self._policy, {no: self._node(no) for no in numbers}
        dropped = first_links(nodes, usable, policy) if policy.first_link_only else {}
        kept = {pair: edge for pair, edge in usable.items() if pair not in dropped}
        spanned = span(nodes, kept, policy, apart)
        self.refused.update(spanned.refused)
        self.refused.update(dropped)
        first_ms = {no: int(self._first_ms[no]) for no in nodes}
        for group in spanned.persons.groups():
            persons[group] = anchor_of((nodes[no] for no in group), first_ms, policy)

    def _node(self, number: int) -> Node:
        world = self._world
        return Node(number, world.type(number), world.key(number), world.flags[number])


def _by_root(roots: Numbers, places: Numbers) -> tuple[Numbers, Iterable[tuple[int, int, int]]]:
    """Places in the order of their roots; each root, with where its places begin and end."""
    places = places[np.argsort(roots[places], kind="stable")]
    found, starts = np.unique(roots[places], return_index=True)
    ends = np.append(starts[1:], len(places))
    return places, zip(found.tolist(), starts.tolist(), ends.tolist(), strict=True)
