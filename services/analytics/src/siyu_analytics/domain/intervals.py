"""Shares with their 95 % intervals: Wilson's score interval, and Newcombe's for a difference.

Newcombe, R. G. (1998), Interval estimation for the difference between independent proportions,
Statistics in Medicine 17, 873-890, method 10.
"""

from math import sqrt
from typing import Final, NamedTuple

Z_95: Final = 1.959963984540054
"""Two-sided 95 % point of the normal distribution."""


class Rate(NamedTuple):
    """A share, or a difference of shares, with its 95 % interval."""

    value: float
    low: float
    high: float


def wilson(successes: int, trials: int) -> Rate:
    """The share and its interval; 0 with the whole range where nobody was."""
    if trials == 0:
        return Rate(0.0, 0.0, 1.0)
    share = successes / trials
    squared = Z_95 * Z_95
    middle = share + squared / (2 * trials)
    spread = Z_95 * sqrt(share * (1 - share) / trials + squared / (4 * trials * trials))
    scale = 1 + squared / trials
    # Exact at the ends, where rounding would leave 2e-17 of 0.
    low = 0.0 if successes == 0 else max(0.0, (middle - spread) / scale)
    high = 1.0 if successes == trials else min(1.0, (middle + spread) / scale)
    return Rate(share, low, high)


def newcombe(treated: Rate, control: Rate) -> Rate:
    """The difference of two independent shares and its interval."""
    difference = treated.value - control.value
    down = sqrt((treated.value - treated.low) ** 2 + (control.high - control.value) ** 2)
    up = sqrt((treated.high - treated.value) ** 2 + (control.value - control.low) ** 2)
    return Rate(difference, difference - down, difference + up)
