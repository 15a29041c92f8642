"""The rules of numbers for many at once: bounded, and four decimals kept."""

from typing import Final

import numpy as np

from siyu_collect.domain.columns.buffer import Doubles, Flags, Ints
from siyu_collect.domain.limits import DECIMALS, MAX_NUMBER

_SCALE: Final = 10.0**DECIMALS
_SURE: Final = float(1 << 38)
"""Below it neighbouring doubles are closer than half of the last decimal that is kept.

The double that is the nearest to a number of four decimals is then what ``round`` gives for it:
no other number of four decimals is as near.
"""


def are_bounded(values: Doubles) -> Flags:
    """Whether each is a number within the bounds; false for NaN."""
    return np.abs(values) <= MAX_NUMBER


def shortened(positions: Ints, values: Doubles) -> tuple[Ints, Doubles]:
    """The numbers that have more decimals than are kept: where they are, and what is kept."""
    short = (np.rint(values * _SCALE) / _SCALE == values) & (np.abs(values) < _SURE)
    doubtful = np.flatnonzero(~short)
    given = values[doubtful]
    kept = np.array([round(value, DECIMALS) for value in given.tolist()], np.float64)
    changed = np.flatnonzero(kept != given)
    return positions[doubtful[changed]], kept[changed]
