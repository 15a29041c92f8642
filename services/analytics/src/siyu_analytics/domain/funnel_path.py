"""One person's way through a funnel, and what was missing at its next step."""

from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple

from siyu_analytics.domain.audience import persons_filter
from siyu_analytics.domain.binder import Binder, Query
from siyu_analytics.domain.funnel import FunnelRequest
from siyu_analytics.domain.funnel_plan import persons_sql
from siyu_analytics.domain.orders import Order
from siyu_analytics.domain.scan import MS, scan
from siyu_analytics.domain.windows import Span

_MOST: Final = 10_000
"""Times of the next step that are looked at."""


class Miss(Enum):
    """Why the step after the last one reached was not."""

    NONE = "none"
    """All were reached, or the order has no next one."""
    NEVER = "never"
    """It did not happen where it could have counted."""
    BEFORE = "before"
    """It happened, but not after the step before."""
    TOO_LATE = "too late"
    """It came after the window had closed."""
    CUT = "cut"
    """It came in time, and something between ended the chain, or a property was another."""
    OUT_OF_RANGE = "out of range"
    """The first step happened, but not in the range of the question."""
    NOT_ASKED = "not asked"
    """The question is of others: its condition on persons leaves this one out."""


class FunnelPath(NamedTuple):
    """When each step was reached, milliseconds, and why there are no more."""

    times_ms: Sequence[int]
    miss: Miss


_ORDERED: Final = frozenset(Order) - {Order.ANY_ORDER, Order.GROWINGIO_TOLERANT}
"""Orders with one next step, at the time of an event."""


def path_query(binder: Binder, request: FunnelRequest) -> Query:
    """At most one row: ``path``, of the person whom the binder is of."""
    return binder.query(f"SELECT path FROM ({persons_sql(binder, request)})")


def asked_query(binder: Binder, request: FunnelRequest, person_no: int) -> Query | None:
    """One row: ``asked``, whether the question is of the person; None if it is of everybody."""
    persons = persons_filter(binder, request.scope.persons)
    if not persons:
        return None
    return binder.query(f"SELECT {binder.number(person_no)} IN {persons} AS asked")


def next_query(binder: Binder, request: FunnelRequest, reached: int) -> Query | None:
    """One row: ``times`` at which the step after those reached happened, ascending.

    Of the first step all times are told: it may have happened outside of the range.
    """
    if reached == len(request.steps) or request.order not in _ORDERED:
        return None
    scope = request.scope
    span = Span(scope.from_ms if reached else 0, scope.as_of_ms + 1)
    rows = scan(binder, [request.steps[reached]], span, [MS])
    times = f"SELECT DISTINCT ms FROM ({rows}) ORDER BY ms LIMIT {_MOST}"
    return binder.query(f"SELECT arraySort(groupArray(ms)) AS times FROM ({times})")


def missed(path: Sequence[int], times: Sequence[int], window_ms: int, span: Span) -> Miss:
    """Why the next step, which happened at ``times``, was not reached after ``path``.

    ``span`` is the range of the first step.
    """
    if not times:
        return Miss.NEVER
    if not path:
        inside = any(span.low <= time < span.high for time in times)
        return Miss.CUT if inside else Miss.OUT_OF_RANGE
    later = [time for time in times if time > path[-1]]
    if not later:
        return Miss.BEFORE
    return Miss.TOO_LATE if later[0] - path[0] > window_ms else Miss.CUT
