"""Counts of events and persons by time and by a breakdown, with exact sums."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from siyu_analytics.domain.audience import persons_filter
from siyu_analytics.domain.binder import Binder, Query
from siyu_analytics.domain.breakdown import (
    Breakdown,
    GroupKey,
    checked_groups,
    filled,
    is_group,
    limit_of,
    placed,
    with_trait,
)
from siyu_analytics.domain.checks import check_name, refuse, require
from siyu_analytics.domain.compared_range import (
    Comparison,
    check_comparison,
    compared_scope,
)
from siyu_analytics.domain.filters import CONTEXT, EventFilter, check_event
from siyu_analytics.domain.measures import (
    ANY_TYPE,
    OF_NOTHING,
    Measure,
    amount_columns,
    total_sql,
)
from siyu_analytics.domain.periods import Granularity, bucket_sql
from siyu_analytics.domain.scan import scan
from siyu_analytics.domain.scope import Scope, check_scope
from siyu_analytics.domain.value_text import property_text

MAX_ROWS: Final = 5_000
"""Rows that one answer may have; with their tokens they stay below the size of one message."""


@dataclass(frozen=True, slots=True)
class EventsRequest:
    """What is asked."""

    scope: Scope
    event: EventFilter
    granularity: Granularity = Granularity.WHOLE
    breakdown: Breakdown | None = None
    measure: Measure = Measure.NONE
    measure_property: str = ""
    comparison: Comparison = Comparison.NONE
    compare_from_ms: int = 0

    @property
    def compared(self) -> "EventsRequest | None":
        """The same question of the range that is compared with; None without one."""
        scope = compared_scope(self.scope, self.comparison, self.compare_from_ms)
        if scope is None:
            return None
        return replace(self, scope=scope, comparison=Comparison.NONE, compare_from_ms=0)

    def filled(self, now_ms: int) -> "EventsRequest":
        """With every default in its place."""
        breakdown = filled(self.breakdown)
        return replace(self, scope=self.scope.filled(now_ms), breakdown=breakdown)


def check_events(request: EventsRequest) -> None:
    """Refuse a filled request that is malformed or asks for too many rows."""
    check_scope(request.scope, "scope")
    check_event(request.event, "event")
    if request.measure in OF_NOTHING:
        require(not request.measure_property, "measure_property", "empty with this measure")
    else:
        check_name(request.measure_property, "measure_property")
        context = request.measure_property.startswith(CONTEXT)
        numeric = request.measure not in ANY_TYPE
        require(not (context and numeric), "measure_property", "a number; the context is text")
    check_comparison(request.scope, request.comparison, request.compare_from_ms)
    groups = checked_groups(request.breakdown)
    if request.granularity is not Granularity.WHOLE:
        span = request.scope.span
        rows = ((span.high - span.low) // request.granularity.value + 2) * groups
        if rows > MAX_ROWS:
            refuse("granularity", f"{rows} rows of at most {MAX_ROWS}: shorten the range")


class EventRow(NamedTuple):
    """One row."""

    time_ms: int | None
    group: GroupKey | None
    events: int
    persons: int
    measure: str


class EventsCell(NamedTuple):
    """The persons of one row; without time and group those of the whole range."""

    time_ms: int | None = None
    group: GroupKey | None = None
    compared: bool = False
    """Of the range that is compared with."""


def groups_query(binder: Binder, request: EventsRequest) -> Query:
    """The groups by number of events, greatest first, one more than the limit: ``split``."""
    limit = limit_of(request.breakdown) + 1
    return binder.query(
        f"SELECT split FROM ({_rows(binder, request)}) GROUP BY split"
        f" ORDER BY count() DESC, split.2, split.1 LIMIT {limit}"
    )


def events_query(
    binder: Binder,
    request: EventsRequest,
    kept: Sequence[GroupKey] | None = None,
    most: int = 0,
) -> Query:
    """The rows and the total, of them at most so many; 0: all.

    Columns: ``everything``, ``bucket`` (ms), ``place``, ``events``, ``persons``, ``total`` (of
    ten-thousandths, text), ``valued`` (events that have the property).
    """
    place = placed(binder, request.breakdown, kept)
    rows = f"SELECT person, bucket, amount, has_amount, {place} FROM ({_rows(binder, request)})"
    return binder.query(
        "SELECT toBool(grouping(bucket)) AS everything, bucket, place, count() AS events,"
        f" uniqExact(person) AS persons, {total_sql(request.measure)} AS total,"
        f" countIf(has_amount) AS valued FROM ({rows})"
        " GROUP BY GROUPING SETS ((bucket, place), ())"
        " ORDER BY everything DESC, bucket, place.3, events DESC, place.2, place.1"
        + (f" LIMIT {most}" if most else "")
    )


def events_members(
    binder: Binder,
    request: EventsRequest,
    cell: EventsCell,
    kept: Sequence[GroupKey] | None = None,
) -> str:
    """A SELECT of the persons of a row (``person``), from the rows that the numbers come from."""
    if cell.compared:
        request = request.compared or request
    where = ["true"]
    if cell.time_ms is not None:
        where.append(f"bucket = {binder.whole(cell.time_ms)}")
    if cell.group is not None:
        where.append(is_group(binder, cell.group, kept))
    return f"SELECT person FROM ({_rows(binder, request)}) WHERE {' AND '.join(where)}"


def _rows(binder: Binder, request: EventsRequest) -> str:
    """A SELECT of ``person``, ``bucket``, ``amount``, ``has_amount`` and, if asked, ``split``."""
    columns = [
        f"{bucket_sql(request.granularity, binder.text(request.scope.zone))} AS bucket",
        *amount_columns(binder, request.measure, request.measure_property),
    ]
    breakdown = request.breakdown
    if breakdown is not None and not breakdown.by_trait:
        columns.append(f"{property_text(binder, breakdown.name)} AS split")
    persons = persons_filter(binder, request.scope.persons)
    rows = scan(binder, [request.event], request.scope.span, columns, persons)
    if breakdown is not None and breakdown.by_trait:
        return with_trait(binder, breakdown, rows)
    return rows
