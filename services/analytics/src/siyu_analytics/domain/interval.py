"""Intervals from the last start before a goal to the goal. See the contract for the rules."""

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
    in_group,
    limit_of,
    placed,
    ranked,
    with_trait,
)
from siyu_analytics.domain.checks import require
from siyu_analytics.domain.filters import EventFilter, check_event
from siyu_analytics.domain.histogram import buckets_of, check_bounds
from siyu_analytics.domain.periods import Granularity, bucket_sql, periods
from siyu_analytics.domain.predicate import event_predicate
from siyu_analytics.domain.scan import MS, scan
from siyu_analytics.domain.scope import Scope, check_scope
from siyu_analytics.domain.value_text import property_text
from siyu_analytics.domain.windows import Span

_DAY_MS: Final = 86_400_000
_MAX_LIMIT_MS: Final = 3_650 * _DAY_MS
_MAX_ROWS: Final = 5_000
_NEVER: Final = "toInt64(-9000000000000000000)"


@dataclass(frozen=True, slots=True)
class Interval:
    """A ``Question``."""

    scope: Scope
    start: EventFilter
    goal: EventFilter
    limit_ms: int = 0
    granularity: Granularity = Granularity.WHOLE
    breakdown: Breakdown | None = None
    bounds_ms: tuple[int, ...] = ()

    @property
    def limit(self) -> int:
        """Groups kept."""
        return limit_of(self.breakdown)

    @property
    def buckets(self) -> list[tuple[int, int]]:
        """The histogram's buckets by their bounds, 0 at the end for none."""
        return buckets_of(self.bounds_ms)

    def filled(self, now_ms: int) -> "Interval":
        """With every default in its place."""
        return replace(
            self,
            scope=self.scope.filled(now_ms),
            limit_ms=self.limit_ms or 7 * _DAY_MS,
            breakdown=filled(self.breakdown),
        )

    def check(self) -> None:
        """Refuse what is malformed."""
        check_scope(self.scope, "scope")
        check_event(self.start, "start")
        check_event(self.goal, "goal")
        within = 1_000 <= self.limit_ms <= _MAX_LIMIT_MS
        require(within, "limit_ms", f"1000 to {_MAX_LIMIT_MS} ms")
        check_bounds(self.bounds_ms, "bounds_ms")
        groups = checked_groups(self.breakdown)
        scope = self.scope
        if self.granularity is not Granularity.WHOLE:
            found = len(periods(scope.from_ms, scope.to_ms, self.granularity, scope.zone))
            rows = found * groups * max(1, len(self.buckets))
            require(rows <= _MAX_ROWS, "granularity", f"{rows} rows of at most {_MAX_ROWS}")

    def groups(self, binder: Binder) -> Query | None:
        """See ``Question``; by intervals."""
        return ranked(binder, self.breakdown, _intervals(binder, self)) if self.breakdown else None

    def answer(self, binder: Binder, kept: Sequence[GroupKey] | None) -> Query:
        """Rows of ``everything``, ``bucket``, ``place`` and the numbers; the total first."""
        counts = [_inside(binder, low, high) for low, high in self.buckets]
        intervals = ", ".join(f"countIf({test})" for test in counts)
        persons = ", ".join(f"uniqExactIf(person, {test})" for test in counts)
        rows = (
            f"SELECT person, took, bucket, {placed(binder, self.breakdown, kept)}"
            f" FROM ({_intervals(binder, self)})"
        )
        return binder.query(
            "SELECT toBool(grouping(bucket)) AS everything, bucket, place, count() AS intervals,"
            " uniqExact(person) AS persons, min(took) AS least, max(took) AS most,"
            " avg(took) AS mean, quantilesExactInclusive(0.25, 0.5, 0.75)(took) AS quarters,"
            f" [{intervals or 'toUInt64(0)'}] AS by_intervals,"
            f" [{persons or 'toUInt64(0)'}] AS by_persons"
            f" FROM ({rows}) GROUP BY GROUPING SETS ((bucket, place), ())"
            " ORDER BY everything DESC, bucket, place.3, intervals DESC, place.2, place.1"
        )

    def members(self, binder: Binder, cell: "IntervalCell", kept: Sequence[GroupKey] | None) -> str:
        """See ``Question``."""
        where = ["true", *in_group(binder, cell.group, kept)]
        if cell.time_ms is not None:
            where.append(f"bucket = {binder.whole(cell.time_ms)}")
        if cell.bounds is not None:
            where.append(_inside(binder, *cell.bounds))
        return f"SELECT person FROM ({_intervals(binder, self)}) WHERE {' AND '.join(where)}"


class IntervalCell(NamedTuple):
    """Persons with an interval of a row, or of a bucket of it."""

    time_ms: int | None
    group: GroupKey | None
    bounds: tuple[int, int] | None


def _inside(binder: Binder, low: int, high: int) -> str:
    test = f"took >= {binder.whole(low)}"
    return f"{test} AND took < {binder.whole(high)}" if high else test


def _intervals(binder: Binder, asked: Interval) -> str:
    """A SELECT of ``person``, ``took``, ``bucket`` and, if asked, ``split``, a row an interval.

    Of each person the moments (events of one millisecond) are laid out by time. At each of them the
    last start and the last goal strictly before are filled in from the moments before.
    """
    scope = asked.scope
    events = Span(scope.from_ms, scope.to_ms + asked.limit_ms).until(scope.as_of_ms)
    by = asked.breakdown
    own = by is not None and not by.by_trait
    columns = [
        MS,
        f"{event_predicate(binder, asked.start)} AS starts",
        f"{event_predicate(binder, asked.goal)} AS ends",
    ]
    told = ""
    if by is not None and own:
        columns += ["message_id", f"{property_text(binder, by.name)} AS told"]
        told = ", argMinIf(told, message_id, starts) AS told_here"
    rows = scan(
        binder,
        [asked.start, asked.goal],
        events,
        columns,
        persons_filter(binder, scope.persons),
    )
    moments = (
        f"SELECT person, ms, max(starts) AS opens, max(ends) AS closes{told}"
        f" FROM ({rows}) GROUP BY person, ms"
    )
    packed = "ms, opens, closes, told_here" if own else "ms, opens, closes"
    low, high = binder.whole(scope.span.low), binder.whole(scope.span.high)
    stages = [
        f"arraySort(m -> m.1, groupArray(({packed}))) AS moments",
        _before("opens", 2),
        _before("closes", 3),
        "arrayMap(m -> m.1, moments) AS times",
    ]
    test = (
        f"m.3 AND s >= g AND s >= {low} AND s < {high}"
        f" AND m.1 - s <= {binder.whole(asked.limit_ms)}"
    )
    picked = "(s, m.1 - s)"
    arrays = "moments, last_opens, last_closes"
    stages.append(
        f"arrayFilter((f, m, s, g) -> {test}, arrayMap((m, s, g) -> {picked}, {arrays}), {arrays})"
        " AS found"
    )
    split = ""
    if own:
        split = ", arrayFirst((m, t) -> t = found_one.1, moments, times).4 AS split"
    laid_out = f"SELECT person, {', '.join(stages)} FROM ({moments}) GROUP BY person"
    began = "fromUnixTimestamp64Milli(found_one.1, 'UTC')"
    bucket = bucket_sql(asked.granularity, binder.text(scope.zone), began)
    result = (
        f"SELECT person, found_one.2 AS took, {bucket} AS bucket{split}"
        f" FROM ({laid_out}) ARRAY JOIN found AS found_one"
    )
    return with_trait(binder, by, result) if by is not None and by.by_trait else result


def _before(name: str, place: int) -> str:
    """Column: at each moment the time of the last one strictly before that opens or closes."""
    own = f"arrayMap(m -> if(m.{place}, m.1, {_NEVER}), moments)"
    filled = f"arrayFill(t -> t > {_NEVER}, {own})"
    return f"arrayPushFront(arrayPopBack({filled}), {_NEVER}) AS last_{name}"
