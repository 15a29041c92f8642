"""Sessions, measured. See the contract for the rules."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, NamedTuple

from siyu_analytics.domain.binder import Binder, Query
from siyu_analytics.domain.breakdown import (
    NOWHERE,
    Breakdown,
    GroupKey,
    checked_groups,
    filled,
    in_group,
    is_group,
    limit_of,
    placed,
    ranked,
    with_trait,
)
from siyu_analytics.domain.checks import require
from siyu_analytics.domain.filters import EventFilter, check_property
from siyu_analytics.domain.periods import Granularity, bucket_sql, periods
from siyu_analytics.domain.predicate import any_of
from siyu_analytics.domain.scope import Scope, check_scope
from siyu_analytics.domain.session_rule import (
    EVERY,
    LOOKED,
    VIEWS,
    SessionRule,
    check_events,
    persons_sessions_sql,
    sessions_sql,
)
from siyu_analytics.domain.value_text import property_text

LENGTHS_MS: Final = tuple(
    1_000 * seconds for seconds in (0, 3, 10, 30, 60, 180, 600, 1_800, 3_600, 0)
)
"""Bounds of the buckets of lengths, 0 at the end for none."""
DEPTHS: Final = (*range(0, 51, 5), 0)
"""Bounds of the buckets of depths."""
_MAX_PAGES: Final = 100
_MAX_ROWS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Sessions:
    """A ``Question``."""

    scope: Scope
    rule: SessionRule
    pages: tuple[EventFilter, ...] = ()
    granularity: Granularity = Granularity.WHOLE
    breakdown: Breakdown | None = None
    page_property: str = ""

    @property
    def limit(self) -> int:
        """Groups kept."""
        return limit_of(self.breakdown)

    def filled(self, now_ms: int) -> "Sessions":
        """With every default in its place."""
        by = filled(self.breakdown)
        scope = self.scope.filled(now_ms)
        return replace(self, scope=scope, rule=self.rule.filled(), breakdown=by)

    def check(self) -> None:
        """Refuse what is malformed."""
        check_scope(self.scope, "scope")
        self.rule.check("rule")
        check_events(self.pages, "pages")
        if self.page_property:
            check_property(self.page_property, "page_property")
        groups = checked_groups(self.breakdown)
        if self.granularity is not Granularity.WHOLE:
            scope = self.scope
            rows = groups * len(
                periods(scope.from_ms, scope.to_ms, self.granularity, scope.zone, _MAX_ROWS)
            )
            require(rows <= _MAX_ROWS, "granularity", f"{rows} rows of at most {_MAX_ROWS}")

    def groups(self, binder: Binder) -> Query | None:
        """See ``Question``; by sessions."""
        return ranked(binder, self.breakdown, _sessions(binder, self)) if self.breakdown else None

    def answer(self, binder: Binder, kept: Sequence[GroupKey] | None) -> Query:
        """Rows of ``kind`` ('page', 'row' or 'total'), ``bucket``, ``place`` and the numbers."""
        split = self.breakdown is not None or self.granularity is not Granularity.WHOLE
        sessions = _split(binder, self, kept) if split else _whole(binder, self)
        if not self.page_property:
            return binder.query(f"SELECT * FROM ({sessions}) ORDER BY {_ORDER}")
        none = "emptyArrayUInt64()"
        pages = (
            "SELECT 'page' AS kind, toInt64(0) AS bucket, ((page.2).1, (page.2).2, false) AS place,"
            " count() AS sessions, uniqExact(person) AS persons, toUInt64(0) AS events,"
            " count() AS all_views, sum(looked) AS duration, sum(looked) AS dwell,"
            " countIf(leaves) AS bounces, toUInt64(0) AS bounced,"
            f" {none} AS lengths, {none} AS in_lengths, {none} AS depths, {none} AS in_depths"
            f" FROM ({_views(binder, self)}) GROUP BY place"
            f" ORDER BY all_views DESC, place.2, place.1 LIMIT {_MAX_PAGES}"
        )
        return binder.query(
            f"SELECT * FROM ({sessions} UNION ALL SELECT * FROM ({pages})) ORDER BY {_ORDER}"
        )

    def members(self, binder: Binder, cell: "SessionCell", kept: Sequence[GroupKey] | None) -> str:
        """See ``Question``."""
        if cell.part == "page" and cell.group is not None:
            rows = f"SELECT person, page.2 AS split FROM ({_views(binder, self)})"
            return f"SELECT person FROM ({rows}) WHERE {is_group(binder, cell.group, None)}"
        where = ["true", *in_group(binder, cell.group, kept)]
        if cell.time_ms is not None:
            where.append(f"bucket = {binder.whole(cell.time_ms)}")
        if cell.part == "bounced":
            where.append("views = 1")
        elif cell.part:
            low, high = binder.whole(cell.low), binder.whole(cell.high)
            where.append(f"{cell.part} >= {low}")
            where += [f"{cell.part} < {high}"] if cell.high else []
        return f"SELECT person FROM ({_sessions(binder, self)}) WHERE {' AND '.join(where)}"


class SessionCell(NamedTuple):
    """Persons with sessions of a row, or of a part of them."""

    time_ms: int | None
    group: GroupKey | None
    part: str = ""
    """'bounced', 'took' and 'views' (a bucket of lengths or depths), 'page'; '' for all."""
    low: int = 0
    high: int = 0


_ORDER: Final = "kind, bucket, place.3, sessions DESC, place.2, place.1"


def _inside(column: str, low: int, high: int) -> str:
    return f"{column} >= {low} AND {column} < {high}" if high else f"{column} >= {low}"


_LENGTHS: Final = [_inside("took", low, high) for low, high in pairwise(LENGTHS_MS)]
_DEPTHS: Final = [_inside("views", low, high) for low, high in pairwise(DEPTHS)]
"""SQL: whether a session is of each bucket, of lengths and of depths."""


def _split(binder: Binder, asked: Sessions, kept: Sequence[GroupKey] | None) -> str:
    """Rows by time and group, and the total."""
    rows = f"SELECT *, {placed(binder, asked.breakdown, kept)} FROM ({_sessions(binder, asked)})"
    return (
        "SELECT if(grouping(bucket) = 1, 'total', 'row') AS kind, bucket, place,"
        f" {', '.join(_numbers())} FROM ({rows}) GROUP BY GROUPING SETS ((bucket, place), ())"
    )


def _whole(binder: Binder, asked: Sessions) -> str:
    """The same of all sessions together: each person's at once, so that nobody is told apart."""
    told = []
    viewed, looked = "length(s)", "s[-1].1 - s[1].1"
    if asked.pages:
        told = [_is_page(binder, asked)]
        viewed, looked = VIEWS, LOOKED
    rows = persons_sessions_sql(binder, asked.rule, asked.scope, told)
    columns = [
        "length(sessions) AS number",
        "arraySum(s -> length(s), sessions) AS size",
        "arrayMap(s -> s[-1].1 - s[1].1, sessions) AS all_took",
        f"arrayMap(s -> {viewed}, sessions) AS viewed",
        f"arraySum(s -> {looked}, sessions) AS looked",
        "arrayCount(views -> views = 1, viewed) AS once",
        f"[{', '.join(f'arrayCount(took -> {test}, all_took)' for test in _LENGTHS)}] AS took_in",
        f"[{', '.join(f'arrayCount(views -> {test}, viewed)' for test in _DEPTHS)}] AS seen_in",
    ]
    # Of nobody there is no array.
    number = "arrayResize(sumForEach({0}), {1})"
    persons = number.format("arrayMap(x -> toUInt64(x > 0), {0})", "{1}")
    return (
        "SELECT arrayJoin(if(count() = 0, ['total'], ['row', 'total'])) AS kind,"
        f" toInt64(0) AS bucket, {NOWHERE} AS place,"
        " sum(number) AS sessions, count() AS persons,"
        " sum(size) AS events, sum(arraySum(viewed)) AS all_views,"
        " sum(arraySum(all_took)) AS duration, sum(looked) AS dwell, sum(once) AS bounces,"
        " countIf(once > 0) AS bounced,"
        f" {number.format('took_in', len(_LENGTHS))} AS lengths,"
        f" {persons.format('took_in', len(_LENGTHS))} AS in_lengths,"
        f" {number.format('seen_in', len(_DEPTHS))} AS depths,"
        f" {persons.format('seen_in', len(_DEPTHS))} AS in_depths"
        f" FROM (SELECT {', '.join(columns)} FROM ({rows}))"
    )


def _numbers() -> list[str]:
    return [
        "count() AS sessions",
        "uniqExact(person) AS persons",
        "sum(size) AS events",
        "sum(views) AS all_views",
        "sum(took) AS duration",
        "sum(looked) AS dwell",
        "countIf(views = 1) AS bounces",
        "uniqExactIf(person, views = 1) AS bounced",
        f"[{', '.join(f'countIf({test})' for test in _LENGTHS)}] AS lengths",
        f"[{', '.join(f'uniqExactIf(person, {test})' for test in _LENGTHS)}] AS in_lengths",
        f"[{', '.join(f'countIf({test})' for test in _DEPTHS)}] AS depths",
        f"[{', '.join(f'uniqExactIf(person, {test})' for test in _DEPTHS)}] AS in_depths",
    ]


def _sessions(binder: Binder, asked: Sessions) -> str:
    """A SELECT of ``person``, ``bucket``, ``size``, ``views``, ``took``, ``looked``, ``split``."""
    by = asked.breakdown
    columns = [_is_page(binder, asked)]
    if by is not None and not by.by_trait:
        columns.append(property_text(binder, by.name))
    rows = sessions_sql(binder, asked.rule, asked.scope, columns)
    began = "fromUnixTimestamp64Milli(session[1].1, 'UTC')"
    bucket = bucket_sql(asked.granularity, binder.text(asked.scope.zone), began)
    split = ", session[1].4 AS split" if len(columns) > 1 else ""
    found = (
        f"SELECT person, {bucket} AS bucket, length(session) AS size,"
        " arrayCount(r -> r.3, session) AS views, session[-1].1 - session[1].1 AS took,"
        " if(views = 0, 0, session[-1].1 - arrayFirst(r -> r.3, session).1) AS looked"
        f"{split} FROM ({rows})"
    )
    return with_trait(binder, by, found) if by is not None and by.by_trait else found


def _views(binder: Binder, asked: Sessions) -> str:
    """A SELECT of ``person``, ``page`` (time, group), ``looked``, ``leaves``, a row a page view."""
    named = property_text(binder, asked.page_property)
    columns = [_is_page(binder, asked), named]
    rows = sessions_sql(binder, asked.rule, asked.scope, columns)
    seen = (
        "SELECT person, session[-1].1 AS ended,"
        " arrayMap(r -> (r.1, r.4), arrayFilter(r -> r.3, session)) AS seen,"
        " arrayPushBack(arrayPopFront(arrayMap(p -> p.1, seen)), ended) AS until"
        f" FROM ({rows}) WHERE notEmpty(seen)"
    )
    return (
        "SELECT person, page, next - page.1 AS looked, place_of = length(seen) AS leaves"
        f" FROM ({seen}) ARRAY JOIN seen AS page, until AS next, arrayEnumerate(seen) AS place_of"
    )


def _is_page(binder: Binder, asked: Sessions) -> str:
    return any_of(binder, asked.pages) if asked.pages else EVERY
