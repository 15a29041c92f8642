"""Retention: who comes back in the periods after an initial event; rules in the contract."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, NamedTuple

from siyu_analytics.domain.audience import persons_filter
from siyu_analytics.domain.binder import Binder, Query
from siyu_analytics.domain.breakdown import (
    Breakdown,
    GroupKey,
    filled,
    in_group,
    limit_of,
    placed,
    ranked,
    with_trait,
)
from siyu_analytics.domain.checks import check_name, require
from siyu_analytics.domain.cohorts import check_cohorts, ended, followed
from siyu_analytics.domain.filters import EventFilter, check_event
from siyu_analytics.domain.periods import Granularity, index_sql
from siyu_analytics.domain.predicate import any_of
from siyu_analytics.domain.scan import scan
from siyu_analytics.domain.scope import Scope, check_scope
from siyu_analytics.domain.value_text import property_text

_MAX_EVENTS: Final = 8
_MAX_PERIODS: Final = 90


class Mode(Enum):
    """Who counts as retained."""

    NTH = "nth"
    NTH_OR_LATER = "nth_or_later"
    CONSECUTIVE = "consecutive"


@dataclass(frozen=True, slots=True)
class Retention:
    """A ``Question``."""

    scope: Scope
    initial: tuple[EventFilter, ...]
    returning: tuple[EventFilter, ...]
    granularity: Granularity = Granularity.WHOLE
    periods: int = 0
    mode: Mode = Mode.NTH
    breakdown: Breakdown | None = None
    metric_event: EventFilter | None = None
    metric_property: str = ""

    @property
    def limit(self) -> int:
        """Groups kept."""
        return limit_of(self.breakdown)

    def filled(self, now_ms: int) -> "Retention":
        """With every default in its place."""
        whole = self.granularity is Granularity.WHOLE
        return replace(
            self,
            scope=self.scope.filled(now_ms),
            granularity=Granularity.DAY if whole else self.granularity,
            periods=self.periods or 7,
            breakdown=filled(self.breakdown),
        )

    def check(self) -> None:
        """Refuse what is malformed."""
        check_scope(self.scope, "scope")
        for field, events in (("initial", self.initial), ("returning", self.returning)):
            require(1 <= len(events) <= _MAX_EVENTS, field, f"1 to {_MAX_EVENTS} events")
            for place, event in enumerate(events):
                check_event(event, f"{field}[{place}]")
        check_cohorts(
            self.scope,
            self.granularity,
            self.periods,
            self.breakdown,
            most=_MAX_PERIODS,
            columns=self.periods + 1,
        )
        if self.metric_event is not None:
            check_event(self.metric_event, "metric_event")
        if self.metric_property:
            require(self.metric_event is not None, "metric_property", "of a metric_event")
            check_name(self.metric_property, "metric_property")

    def groups(self, binder: Binder) -> Query | None:
        """See ``Question``; by persons."""
        return ranked(binder, self.breakdown, _persons(binder, self)) if self.breakdown else None

    def answer(self, binder: Binder, kept: Sequence[GroupKey] | None) -> Query:
        """Rows of ``cohort`` (its number), ``place``, ``n`` (-1: all), ``persons``, ``metric``."""
        here = "amounts.2[indexOf(amounts.1, cohort + n)]"
        seen = "n >= 0 AND has(amounts.1, cohort + n)"
        measured = f"sumIf({here}, {seen})" if self.metric_event else "0"
        place = placed(binder, self.breakdown, kept)
        return binder.query(
            f"SELECT cohort, {place}, arrayJoin(arrayPushFront(hits, -1)) AS n, count() AS persons,"
            f" toString({measured}) AS metric FROM ({_cohorts(binder, self)})"
            " GROUP BY cohort, place, n ORDER BY cohort, place, n"
        )

    def members(
        self, binder: Binder, cell: "RetentionCell", kept: Sequence[GroupKey] | None
    ) -> str:
        """See ``Question``."""
        where = [f"cohort = {binder.whole(cell.cohort)}", *in_group(binder, cell.group, kept)]
        if cell.period >= 0:
            retained = f"has(hits, {binder.whole(cell.period)})"
            where.append(f"NOT {retained}" if cell.lost else retained)
        return f"SELECT person FROM ({_cohorts(binder, self)}) WHERE {' AND '.join(where)}"

    def ended(self, cohort: int, period: int) -> bool:
        """Whether a period after a cohort's has ended at the time of view."""
        return ended(self.scope, self.granularity, cohort + period)


class RetentionCell(NamedTuple):
    """A counted set of persons: a cohort, or who of it is retained or lost in a period."""

    cohort: int
    group: GroupKey | None
    period: int
    """-1: the whole cohort."""
    lost: bool


def _cohorts(binder: Binder, asked: Retention) -> str:
    """A SELECT of ``person``, ``cohort``, ``hits`` (periods retained in) and what is asked."""
    passed = "arrayMap(b -> b - cohort, back)"
    after = f"arrayFilter(d -> d > 0 AND d <= {asked.periods}, {passed})"
    both = "back" if _apart(asked) else "both"
    same = f"if(has({both}, cohort), [toInt64(0)], emptyArrayInt64())"
    match asked.mode:
        case Mode.NTH if _apart(asked):
            hits = f"arrayFilter(d -> d >= 0 AND d <= {asked.periods}, {passed})"
        case Mode.NTH:
            hits = f"arrayConcat({same}, {after})"
        case Mode.NTH_OR_LATER:
            most = f"arrayMax(arrayConcat([toInt64(-1)], {same}, {after}))"
            hits = f"arrayMap(d -> toInt64(d), range(toUInt64({most} + 1)))"
        case _:  # CONSECUTIVE
            unbroken = "arrayFilter((d, i) -> d = i, after, arrayEnumerate(after))"
            hits = f"arrayConcat({same}, {unbroken})"
    listed = "person, cohort"
    listed += ", amounts" if asked.metric_event else ""
    listed += ", split" if asked.breakdown else ""
    return (
        f"SELECT {listed}, arraySort({after}) AS after, {hits} AS hits"
        f" FROM ({_persons(binder, asked)}) ARRAY JOIN first AS cohort"
    )


def _persons(binder: Binder, asked: Retention) -> str:
    """A SELECT of each person with an initial event.

    Columns: ``first`` and ``back`` (numbers of the periods with initial and with return events),
    where an event may be both ``both`` (those with two events of which one is each), ``amounts``
    and, if asked, ``split``.
    """
    scope, zone = asked.scope, binder.text(asked.scope.zone)
    events = followed(scope, asked.granularity, asked.periods + 1)
    low, high = binder.time(scope.span.low), binder.time(scope.span.high)
    columns = [
        f"toInt64({index_sql(asked.granularity, zone)}) AS period",
        f"{any_of(binder, asked.initial)} AND time >= {low} AND time < {high} AS starts",
        f"{any_of(binder, asked.returning)} AS comes",
    ]
    picked = [
        "groupUniqArrayIf(period, starts) AS first",
        "groupUniqArrayIf(period, comes) AS back",
    ]
    if not _apart(asked):
        picked.append("sumMapIf([period], [toUInt64(1)], starts OR comes) AS counted")
        picked.append(
            "arrayFilter(p -> counted.2[indexOf(counted.1, p)] > 1, arrayIntersect(first, back))"
            " AS both"
        )
    meant = [*asked.initial, *asked.returning]
    if asked.metric_event is not None:
        meant.append(asked.metric_event)
        columns += _metric(binder, asked)
        picked.append("sumMapIf([period], [amount], measured) AS amounts")
    by = asked.breakdown
    if by is not None and not by.by_trait:
        columns += [f"{property_text(binder, by.name)} AS told", "time", "message_id"]
        picked.append("argMinIf(told, (time, message_id), starts) AS split")
    persons = persons_filter(binder, scope.persons)
    rows = scan(binder, meant, events, columns, persons)
    found = (
        f"SELECT person, {', '.join(picked)} FROM ({rows}) GROUP BY person HAVING notEmpty(first)"
    )
    return with_trait(binder, by, found) if by is not None and by.by_trait else found


def _apart(asked: Retention) -> bool:
    """Whether no event can be both an initial and a return event."""
    return {e.name for e in asked.initial}.isdisjoint(e.name for e in asked.returning)


def _metric(binder: Binder, asked: Retention) -> list[str]:
    event = any_of(binder, [asked.metric_event] if asked.metric_event else [])
    if not asked.metric_property:
        return ["toInt128(10000) AS amount", f"{event} AS measured"]
    key = binder.text(asked.metric_property)
    return [
        f"toInt128(round(number_properties[{key}] * 10000)) AS amount",
        f"{event} AND mapContains(number_properties, {key}) AS measured",
    ]
