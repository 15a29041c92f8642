"""Cohorts: persons by the day, week or month in which they came, each followed for some periods."""

from typing import Final

from siyu_analytics.domain.breakdown import Breakdown, checked_groups
from siyu_analytics.domain.checks import require
from siyu_analytics.domain.periods import Granularity
from siyu_analytics.domain.scope import Scope

_MAX_POINTS: Final = 4_000
"""With the two tokens of each the answer stays below the size of one message."""


def check_cohorts(
    scope: Scope,
    granularity: Granularity,
    periods: int,
    breakdown: Breakdown | None,
    *,
    most: int,
    columns: int,
) -> None:
    """Refuse an answer of too many cells; ``columns`` are those of a cohort in a group."""
    require(granularity is not Granularity.HOUR, "granularity", "day, week or month")
    require(1 <= periods <= most, "periods", f"1 to {most}")
    groups = checked_groups(breakdown)
    span, least = scope.span, granularity.value
    points = ((span.high - span.low) // least + 2) * groups * columns
    require(points <= _MAX_POINTS, "periods", f"{points} of at most {_MAX_POINTS} cells")
