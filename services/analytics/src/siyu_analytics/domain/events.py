"""Counts of events and persons by time and by a breakdown, with exact sums."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal
from enum import Enum
from typing import Final, NamedTuple

from siyu_analytics.domain.audience import persons_filter
from siyu_analytics.domain.binder import Binder, Query
from siyu_analytics.domain.breakdown import (
    Breakdown,
    GroupKey,
    check_breakdown,
    folded,
    is_group,
    property_text,
    with_trait,
)
from siyu_analytics.domain.checks import check_name, refuse, require
from siyu_analytics.domain.filters import CONTEXT, EventFilter, check_event
from siyu_analytics.domain.scan import scan
from siyu_analytics.domain.scope import Scope, check_scope
from siyu_analytics.domain.windows import HOUR_MS

MAX_ROWS: Final = 5_000
"""Rows that one answer may have; with their tokens they stay below the size of one message."""
_SCALE: Final = 10_000


class Granularity(Enum):
    """Split over time; the value is its length in milliseconds, where it does not vary."""

    WHOLE = 0
    HOUR = HOUR_MS
    DAY = 24 * HOUR_MS


class Measure(Enum):
    """What is added up."""

    NONE = ""
    SUM = "sum"
    AVERAGE = "average"


@dataclass(frozen=True, slots=True)
class EventsRequest:
    """What is asked."""

    scope: Scope
    event: EventFilter
    granularity: Granularity = Granularity.WHOLE
    breakdown: Breakdown | None = None
    measure: Measure = Measure.NONE
    measure_property: str = ""

    def filled(self, now_ms: int) -> "EventsRequest":
        """With every default in its place."""
        breakdown = self.breakdown.filled() if self.breakdown else None
        return replace(self, scope=self.scope.filled(now_ms), breakdown=breakdown)


def check_events(request: EventsRequest) -> None:
    """Refuse a filled request that is malformed or asks for too many rows."""
    check_scope(request.scope, "scope")
    check_event(request.event, "event")
    if request.measure is Measure.NONE:
        require(not request.measure_property, "measure_property", "empty without a measure")
    else:
        check_name(request.measure_property, "measure_property")
        context = request.measure_property.startswith(CONTEXT)
        require(not context, "measure_property", "a numeric property; the context is text")
    groups = 1
    if request.breakdown is not None:
        check_breakdown(request.breakdown, "breakdown")
        groups = request.breakdown.limit + 1
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


def groups_query(binder: Binder, request: EventsRequest) -> Query:
    """The groups by number of events, greatest first, one more than the limit: ``split``."""
    limit = (request.breakdown.limit if request.breakdown else 0) + 1
    return binder.query(
        f"SELECT split FROM ({_rows(binder, request)}) GROUP BY split"
        f" ORDER BY count() DESC, split.2, split.1 LIMIT {limit}"
    )


def events_query(
    binder: Binder, request: EventsRequest, kept: Sequence[GroupKey] | None = None
) -> Query:
    """The rows and the total.

    Columns: ``everything``, ``bucket`` (ms), ``place``, ``events``, ``persons``, ``total`` (of
    ten-thousandths, text), ``valued`` (events that have the property).
    """
    place = (
        f"{folded(binder, kept)} AS place" if request.breakdown else "('', false, false) AS place"
    )
    rows = f"SELECT person, bucket, amount, has_amount, {place} FROM ({_rows(binder, request)})"
    return binder.query(
        "SELECT toBool(grouping(bucket)) AS everything, bucket, place, count() AS events,"
        " uniqExact(person) AS persons, toString(sumIf(amount, has_amount)) AS total,"
        f" countIf(has_amount) AS valued FROM ({rows})"
        " GROUP BY GROUPING SETS ((bucket, place), ())"
        " ORDER BY everything DESC, bucket, place.3, events DESC, place.2, place.1"
    )


def events_members(
    binder: Binder,
    request: EventsRequest,
    cell: EventsCell,
    kept: Sequence[GroupKey] | None = None,
) -> str:
    """A SELECT of the persons of a row (``person``), from the rows that the numbers come from."""
    where = ["true"]
    if cell.time_ms is not None:
        where.append(f"bucket = {binder.whole(cell.time_ms)}")
    if cell.group is not None:
        where.append(is_group(binder, cell.group, kept))
    return f"SELECT person FROM ({_rows(binder, request)}) WHERE {' AND '.join(where)}"


def _rows(binder: Binder, request: EventsRequest) -> str:
    """A SELECT of ``person``, ``bucket``, ``amount``, ``has_amount`` and, if asked, ``split``."""
    columns = [f"{_bucket(binder, request)} AS bucket", *_amount(binder, request)]
    breakdown = request.breakdown
    if breakdown is not None and not breakdown.by_trait:
        columns.append(f"{property_text(binder, breakdown)} AS split")
    persons = persons_filter(binder, request.scope.persons)
    rows = scan(binder, [request.event], request.scope.span, columns, persons)
    if breakdown is not None and breakdown.by_trait:
        return with_trait(binder, breakdown, rows)
    return rows


def _bucket(binder: Binder, request: EventsRequest) -> str:
    zone = binder.text(request.scope.zone)
    match request.granularity:
        case Granularity.DAY:
            return f"toInt64(toUnixTimestamp(toStartOfDay(time, {zone}))) * 1000"
        case Granularity.HOUR:
            return f"toInt64(toUnixTimestamp(toStartOfHour(time, {zone}))) * 1000"
        case Granularity.WHOLE:
            return "toInt64(0)"


def _amount(binder: Binder, request: EventsRequest) -> list[str]:
    """The measured value in ten-thousandths: a whole number, so that sums are exact.

    ``toDecimal64`` would cut 0.29 to 0.2899.
    """
    if request.measure is Measure.NONE:
        return ["toInt128(0) AS amount", "false AS has_amount"]
    key = binder.text(request.measure_property)
    return [
        f"toInt128(round(number_properties[{key}] * {_SCALE})) AS amount",
        f"mapContains(number_properties, {key}) AS has_amount",
    ]


def measured(measure: Measure, total: str, valued: int) -> str:
    """The measure as text with four decimals; empty without one or without any value."""
    if measure is Measure.NONE or valued == 0:
        return ""
    exact = Decimal(total).scaleb(-4)
    if measure is Measure.AVERAGE:
        exact = (exact / valued).quantize(Decimal("0.0001"), rounding=ROUND_HALF_EVEN)
    return f"{exact:f}"
