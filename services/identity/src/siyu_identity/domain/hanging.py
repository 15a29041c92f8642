"""What hangs together, over flat arrays: a union-find that takes all links at once."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from siyu_identity.domain.forest import Forest

Numbers = NDArray[np.intp]

_ROUNDS: Final = 8
"""Rounds over all links at once; the few links that are left then are taken one by one."""


def hanging(size: int, left: Numbers, right: Numbers) -> Numbers:
    """The smallest number that each of the numbers below ``size`` hangs together with.

    Every round joins each root to its smallest neighbour, then makes all new paths one step long
    by doubling, so that a long chain costs the logarithm of its length.
    """
    parent: Numbers = np.arange(size, dtype=np.intp)
    for _ in range(_ROUNDS):
        if not len(left):
            break
        high = np.maximum(left, right)
        np.minimum.at(parent, high, np.minimum(left, right))
        _shorten(parent, high)
        left, right = parent[left], parent[right]
        apart = left != right
        left, right = left[apart], right[apart]
    if len(left):
        _join(parent, left, right)
    while True:
        # As deep as there were rounds, at most.
        above = parent[parent]
        if np.array_equal(above, parent):
            return parent
        parent = above


def _shorten(parent: Numbers, joined: Numbers) -> None:
    """Point roots that were joined to others at the ends of their paths."""
    while True:
        now = parent[joined]
        above = parent[now]
        if np.array_equal(above, now):
            return
        parent[joined] = above


def _join(parent: Numbers, left: Numbers, right: Numbers) -> None:
    forest = Forest(np.unique(np.concatenate((left, right))).tolist())
    for one, other in zip(left.tolist(), right.tolist(), strict=True):
        forest.union(one, other)
    for members in forest.groups():
        parent[members] = members[0]
