"""What hangs together, over flat arrays: a union-find that takes many links at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from siyu_identity.domain.forest import Forest

Ends = NDArray[np.int32]
"""Of links, as a world keeps them."""
Numbers = NDArray[np.intp]
"""As places in an array are counted: numpy would make them so at every use."""

_AT_ONCE: Final = 1 << 17
_ROUNDS: Final = 8
"""Rounds over the links of a part; the few that are left then are taken one by one."""


def hanging(size: int, left: Ends, right: Ends) -> Numbers:
    """The smallest number that each of the numbers below ``size`` hangs together with.

    Links are taken by the hundred thousand, so that what is worked on stays in the processor's
    cache, whatever all of them are.
    """
    parent: Numbers = np.arange(size, dtype=np.intp)
    for part in parts(len(left)):
        _tie(parent, left[part].astype(np.intp), right[part].astype(np.intp))
    for part in parts(size):
        # A path leads to smaller numbers, so what it passes in earlier parts is one step long.
        parent[part] = _roots(parent, parent[part])
    return parent


def parts(count: int) -> Iterator[slice]:
    """So many things in slices whose arrays fit the cache."""
    return (slice(start, start + _AT_ONCE) for start in range(0, count, _AT_ONCE))


def _tie(parent: Numbers, left: Numbers, right: Numbers) -> None:
    """Join what these links tie.

    Every round joins each root to its smallest neighbour, then makes all new paths one step long
    by doubling, so that a long chain costs the logarithm of its length.
    """
    for _ in range(_ROUNDS):
        left, right = _roots(parent, left), _roots(parent, right)
        apart = left != right
        left, right = left[apart], right[apart]
        if not len(left):
            return
        high = np.maximum(left, right)
        np.minimum.at(parent, high, np.minimum(left, right))
        _shorten(parent, high)
    left, right = _roots(parent, left), _roots(parent, right)
    _join(parent, left, right)


def _roots(parent: Numbers, numbers: Numbers) -> Numbers:
    """The ends of the paths from some numbers."""
    now = parent[numbers]
    while True:
        above = parent[now]
        if np.array_equal(above, now):
            return now
        parent[numbers] = now = above


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
