"""Confidence intervals of shares."""

from math import sqrt
from typing import NamedTuple

Z_95 = 1.959963984540054
"""Two-sided 95 % point of the normal distribution."""


class Share(NamedTuple):
    """A share, or a difference of shares, with its 95 % interval."""

    value: float
    low: float
    high: float


def wilson(successes: int, trials: int) -> Share:
    """A share with Wilson's score interval; 0 with the whole range where there was no trial."""
    if trials == 0:
        return Share(0.0, 0.0, 1.0)
    share = successes / trials
    squared = Z_95 * Z_95
    middle = share + squared / (2 * trials)
    spread = Z_95 * sqrt(share * (1 - share) / trials + squared / (4 * trials * trials))
    scale = 1 + squared / trials
    # Exact at the ends, where rounding would leave 2e-17 of 0.
    low = 0.0 if successes == 0 else max(0.0, (middle - spread) / scale)
    high = 1.0 if successes == trials else min(1.0, (middle + spread) / scale)
    return Share(share, low, high)


def newcombe(one: Share, other: Share) -> Share:
    """The difference of two independent shares with Newcombe's interval (his method 10)."""
    difference = one.value - other.value
    low = difference - sqrt((one.value - one.low) ** 2 + (other.high - other.value) ** 2)
    high = difference + sqrt((one.high - one.value) ** 2 + (other.value - other.low) ** 2)
    return Share(difference, low, high)
