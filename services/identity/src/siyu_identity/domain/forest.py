"""Disjoint sets of numbers."""

from collections import defaultdict
from collections.abc import Iterable


class Forest:
    """Union-find with halving and union by size."""

    def __init__(self, members: Iterable[int]) -> None:
        self._parent = {member: member for member in members}
        self._size = dict.fromkeys(self._parent, 1)

    def find(self, member: int) -> int:
        """The root of a member's set."""
        parent = self._parent
        while parent[member] != member:
            parent[member] = parent[parent[member]]
            member = parent[member]
        return member

    def union(self, left: int, right: int) -> int:
        """Make one set of two; its root."""
        left, right = self.find(left), self.find(right)
        if left == right:
            return left
        if self._size[left] < self._size[right]:
            left, right = right, left
        self._parent[right] = left
        self._size[left] += self._size[right]
        return left

    def groups(self) -> Iterable[list[int]]:
        """The sets, each in ascending order."""
        sets: defaultdict[int, list[int]] = defaultdict(list)
        for member in sorted(self._parent):
            sets[self.find(member)].append(member)
        return sets.values()
