"""Cohorts: persons by the day, week or month in which they came, each followed for some periods."""

from typing import Final

from siyu_analytics.domain.breakdown import Breakdown, checked_groups
from siyu_analytics.domain.checks import require
from siyu_analytics.domain.periods import Granularity, index_of, start_of
from siyu_analytics.domain.scope import Scope
from siyu_analytics.domain.windows import Span

_MAX_POINTS: Final = 4_000
"""With the two tokens of each the answer stays below the size of one message."""


def followed(scope: Scope, granularity: Granularity, periods: int) -> Span:
    """When the events of cohorts count: whole periods, so many after the one the range ends in.

    It begins with the period that the range begins in, whatever part of it the range leaves out.
    """
    first, last = (
        start_of(index_of(time_ms, granularity, scope.zone) + more, granularity, scope.zone)
        for time_ms, more in ((scope.from_ms, 0), (scope.to_ms, periods))
    )
    return Span(max(0, first), last).until(scope.as_of_ms)


def ended(scope: Scope, granularity: Granularity, period: int) -> bool:
    """Whether a period, by its number, has ended at the time of view."""
    return start_of(period + 1, granularity, scope.zone) <= scope.as_of_ms + 1


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
