"""Distributions: a value of each person, counted by buckets. See the contract for the rules."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from itertools import pairwise
from math import isfinite
from typing import Final, NamedTuple

from siyu_analytics.domain.audience import persons_filter
from siyu_analytics.domain.binder import Binder, Query
from siyu_analytics.domain.breakdown import (
    NOWHERE,
    Breakdown,
    GroupKey,
    checked_groups,
    filled,
    limit_of,
    placed,
    ranked,
    with_trait,
)
from siyu_analytics.domain.checks import check_name, require
from siyu_analytics.domain.filters import CONTEXT, EventFilter, check_event
from siyu_analytics.domain.periods import Granularity, bucket_sql, periods
from siyu_analytics.domain.scan import scan
from siyu_analytics.domain.scope import Scope, check_scope
from siyu_analytics.domain.value_text import property_text

SCALE: Final = 10_000
AUTOMATIC: Final = (
    *(float(step * 10**power) for power in range(7) for step in (1, 2, 5)),
    10_000_000.0,
)
"""Bounds where none are given."""
_MAX_BOUNDS: Final = 50
_MAX_BOUND: Final = 1e14
_MAX_ROWS: Final = 5_000


class Measure(Enum):
    """What is taken of each person's events."""

    TIMES = "times"
    ACTIVE_HOURS = "active_hours"
    ACTIVE_DAYS = "active_days"
    SUM = "sum"
    AVERAGE = "average"
    MAX = "max"
    MIN = "min"
    DISTINCT = "distinct"


_NUMERIC: Final = {Measure.SUM, Measure.AVERAGE, Measure.MAX, Measure.MIN}


@dataclass(frozen=True, slots=True)
class Distribution:
    """A ``Question``."""

    scope: Scope
    event: EventFilter
    measure: Measure = Measure.TIMES
    measure_property: str = ""
    granularity: Granularity = Granularity.WHOLE
    breakdown: Breakdown | None = None
    bounds: tuple[float, ...] = ()
    grid: bool = False

    @property
    def limit(self) -> int:
        """Groups kept."""
        return limit_of(self.breakdown)

    @property
    def edges(self) -> tuple[float, ...]:
        """The bounds, given or automatic."""
        return self.bounds or AUTOMATIC

    def filled(self, now_ms: int) -> "Distribution":
        """With every default in its place."""
        by = filled(self.breakdown)
        return replace(self, scope=self.scope.filled(now_ms), breakdown=by)

    def check(self) -> None:
        """Refuse what is malformed."""
        check_scope(self.scope, "scope")
        check_event(self.event, "event")
        of_property = self.measure in _NUMERIC or self.measure is Measure.DISTINCT
        if of_property:
            check_name(self.measure_property, "measure_property")
            text = self.measure_property.startswith(CONTEXT) and self.measure in _NUMERIC
            require(not text, "measure_property", "a number; the context is text")
        else:
            require(not self.measure_property, "measure_property", "empty with this measure")
        require(len(self.bounds) <= _MAX_BOUNDS, "bounds", f"at most {_MAX_BOUNDS}")
        finite = all(isfinite(bound) and abs(bound) <= _MAX_BOUND for bound in self.bounds)
        require(finite, "bounds", f"between -{_MAX_BOUND:.0f} and {_MAX_BOUND:.0f}")
        require(all(a < b for a, b in pairwise(self.bounds)), "bounds", "ascending")
        groups = checked_groups(self.breakdown)
        if self.granularity is not Granularity.WHOLE:
            scope = self.scope
            found = len(periods(scope.from_ms, scope.to_ms, self.granularity, scope.zone))
            rows = found * groups * (len(self.edges) + 1)
            require(rows <= _MAX_ROWS, "granularity", f"{rows} rows of at most {_MAX_ROWS}")

    def groups(self, binder: Binder) -> Query | None:
        """See ``Question``; by persons."""
        if self.breakdown is None:
            return None
        return ranked(binder, self.breakdown, _rows(binder, self), "uniqExact(person)")

    def answer(self, binder: Binder, kept: Sequence[GroupKey] | None) -> Query:
        """Rows of ``kind`` ('value' or 'grid'), ``bucket``, ``place``, ``slot`` and the numbers.

        A slot of a value is the number of bounds at or below it, of the grid weekday and hour.
        """
        bucket, place = _columns(self)
        values = (
            f"SELECT 'value' AS kind, {bucket}, {place}, slot, toUInt64(0) AS events,"
            " count() AS persons, toString(sum(value)) AS total, toString(max(value)) AS greatest"
            f" FROM ({_values(binder, self, kept)}) GROUP BY {', '.join((*_keys(self), 'slot'))}"
        )
        if not self.grid:
            return binder.query(f"{values} ORDER BY bucket, place, slot")
        grid = (
            f"SELECT 'grid' AS kind, toInt64(0) AS bucket, {NOWHERE} AS place,"
            " clock AS slot, count() AS events, uniqExact(person) AS persons,"
            f" '0' AS total, '0' AS greatest FROM ({_rows(binder, self)}) GROUP BY clock"
        )
        return binder.query(
            f"SELECT * FROM ({values} UNION ALL {grid}) ORDER BY kind, bucket, place, slot"
        )

    def members(
        self, binder: Binder, cell: "DistributionCell", kept: Sequence[GroupKey] | None
    ) -> str:
        """See ``Question``."""
        if cell.grid:
            at = f"clock = {binder.whole(cell.slot)}"
            return f"SELECT person FROM ({_rows(binder, self)}) WHERE {at}"
        where = [f"slot = {binder.whole(cell.slot)}"]
        if "bucket" in _keys(self):
            where.append(f"bucket = {binder.whole(cell.time_ms)}")
        if cell.group is not None:
            flags = ", ".join(str(flag).lower() for flag in cell.group[1:])
            where.append(f"place = ({binder.text(cell.group.value)}, {flags})")
        values = _values(binder, self, kept)
        return f"SELECT person FROM ({values}) WHERE {' AND '.join(where)}"


class DistributionCell(NamedTuple):
    """The persons of a bucket of a row, or of an hour of a weekday."""

    time_ms: int
    group: GroupKey | None
    slot: int
    grid: bool


def scaled(bound: float) -> int:
    """A bound in ten-thousandths."""
    return round(Decimal(str(bound)) * SCALE)


def _values(binder: Binder, asked: Distribution, kept: Sequence[GroupKey] | None) -> str:
    """A SELECT of ``person``, its ``_keys``, ``value`` (ten-thousandths) and ``slot``."""
    having = ""
    match asked.measure:
        case Measure.TIMES:
            value = f"count() * {SCALE}"
        case Measure.ACTIVE_HOURS:
            value = f"uniqExact(hour) * {SCALE}"
        case Measure.ACTIVE_DAYS:
            value = f"uniqExact(day) * {SCALE}"
        case Measure.DISTINCT:
            value, having = (
                f"uniqExactIf(amount.1, has_amount) * {SCALE}",
                " HAVING max(has_amount)",
            )
        case Measure.AVERAGE:
            value = "roundBankers(sumIf(amount, has_amount) / countIf(has_amount))"
            having = " HAVING max(has_amount)"
        case _:
            value = f"{asked.measure.value}If(amount, has_amount)"
            having = " HAVING max(has_amount)"
    # One comparison after the other over all rows: a function called for each row is far slower.
    reached = " + ".join(f"(value >= {binder.whole(scaled(bound))})" for bound in asked.edges)
    keys = ["person", *_keys(asked)]
    columns = [placed(binder, asked.breakdown, kept) if key == "place" else key for key in keys]
    return (
        f"SELECT {', '.join(columns)}, toInt128({value}) AS value, toInt64({reached}) AS slot"
        f" FROM ({_rows(binder, asked)}) GROUP BY {', '.join(keys)}{having}"
    )


def _keys(asked: Distribution) -> list[str]:
    """What the rows of a person are split by: ``bucket``, ``place``, both or neither.

    One that is the same everywhere is no key: it would cost as any other.
    """
    keys = [] if asked.granularity is Granularity.WHOLE else ["bucket"]
    return keys if asked.breakdown is None else [*keys, "place"]


def _columns(asked: Distribution) -> tuple[str, str]:
    """The columns ``bucket`` and ``place`` of an answer, whether they are keys or not."""
    keys = _keys(asked)
    bucket = "bucket" if "bucket" in keys else "toInt64(0) AS bucket"
    return bucket, "place" if "place" in keys else f"{NOWHERE} AS place"


def _rows(binder: Binder, asked: Distribution) -> str:
    """A SELECT of the events with what is taken of them, and ``split`` if asked."""
    zone = binder.text(asked.scope.zone)
    columns = [f"{bucket_sql(asked.granularity, zone)} AS bucket"]
    if asked.measure is Measure.ACTIVE_HOURS:
        columns.append(f"{bucket_sql(Granularity.HOUR, zone)} AS hour")
    if asked.measure is Measure.ACTIVE_DAYS:
        columns.append(f"{bucket_sql(Granularity.DAY, zone)} AS day")
    if asked.grid:
        clock = f"toDayOfWeek(time, 0, {zone}) * 100 + toHour(time, {zone})"
        columns.append(f"toInt64({clock}) AS clock")
    if asked.measure in _NUMERIC:
        key = binder.text(asked.measure_property)
        columns += [
            f"toInt128(round(number_properties[{key}] * {SCALE})) AS amount",
            f"mapContains(number_properties, {key}) AS has_amount",
        ]
    elif asked.measure is Measure.DISTINCT:
        text = property_text(binder, asked.measure_property)
        columns += [f"{text} AS amount", "NOT amount.2 AS has_amount"]
    by = asked.breakdown
    if by is not None and not by.by_trait:
        columns.append(f"{property_text(binder, by.name)} AS split")
    persons = persons_filter(binder, asked.scope.persons)
    rows = scan(binder, [asked.event], asked.scope.span, columns, persons)
    return with_trait(binder, by, rows) if by is not None and by.by_trait else rows
