"""Intervals against published values."""

import pytest

from siyu_analytics.domain.conversion import Candidate, Tally, buckets, candidates, turning_point
from siyu_analytics.domain.intervals import newcombe, wilson
from siyu_demo.truth.intervals import wilson as truth


def test_wilson_of_the_papers_bucket() -> None:
    rate = wilson(26, 40)
    assert (round(rate.value, 3), round(rate.low, 3), round(rate.high, 3)) == (0.65, 0.495, 0.779)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # Newcombe (1998), Two-sided confidence intervals for the single proportion, table I
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_has_newcombes_values(successes: int, trials: int, low: float, high: float) -> None:
    rate = wilson(successes, trials)
    assert (round(rate.low, 4), round(rate.high, 4)) == (low, high)


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [  # Newcombe (1998), Interval estimation for the difference, table II, method 10
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_difference_has_newcombes_values(
    one: tuple[int, int], other: tuple[int, int], low: float, high: float
) -> None:
    rate = newcombe(wilson(*one), wilson(*other))
    assert (round(rate.low, 4), round(rate.high, 4)) == (low, high)


def test_nobody_has_the_whole_range() -> None:
    assert wilson(0, 0) == (0.0, 0.0, 1.0)


def test_smallest_k_wins_a_tie() -> None:
    tally = {0: Tally(10, 0), 3: Tally(10, 10)}
    assert turning_point(candidates(tally, 5)) == 1
    assert turning_point([]) == 0


def test_phi_of_what_does_not_vary_is_zero() -> None:
    assert Candidate(1, 5, 0, 0, 0).phi == 0.0


def test_buckets_are_half_open() -> None:
    tally = {shown: Tally(1, shown % 2) for shown in range(8)}
    found = [(b.from_count, b.to_count, b.persons) for b in buckets(tally, (3, 6))]
    assert found == [(0, 3, 3), (3, 6, 3), (6, 0, 2)]


@pytest.mark.parametrize("trials", range(1, 200))
def test_the_ends_of_the_range_are_exact(trials: int) -> None:
    assert wilson(0, trials).low == 0.0
    assert wilson(trials, trials).high == 1.0
    assert truth(0, trials) == wilson(0, trials)
    assert truth(trials, trials) == wilson(trials, trials)
