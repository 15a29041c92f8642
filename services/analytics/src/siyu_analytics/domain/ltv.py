"""Lifetime value: net revenue by the time since persons came. See the contract for the rules."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
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
from siyu_analytics.domain.checks import check_name, refuse, require
from siyu_analytics.domain.cohorts import check_cohorts, ended, followed
from siyu_analytics.domain.filters import EventFilter, check_event
from siyu_analytics.domain.periods import Granularity, index_sql
from siyu_analytics.domain.predicate import event_predicate
from siyu_analytics.domain.scan import scan
from siyu_analytics.domain.scope import Scope, check_scope
from siyu_analytics.domain.value_text import property_text

_SCALE: Final = 10_000
_FACTOR: Final = 1_000_000
_MAX_FACTOR: Final = 1_000_000
_MAX_TERMS: Final = 8
_MAX_PERIODS: Final = 60
# The ones keep periods whose revenue is 0: the engine drops a key all of whose sums are.
_SUMS: Final = "sumMapIf([period], [amount], [toUInt64(1)], earns) AS sums"


@dataclass(frozen=True, slots=True)
class Term:
    """A part of the net revenue."""

    event: EventFilter
    property: str
    factor: str = ""


@dataclass(frozen=True, slots=True)
class Ltv:
    """A ``Question``."""

    scope: Scope
    cohort: EventFilter
    revenue: tuple[Term, ...]
    granularity: Granularity = Granularity.WHOLE
    periods: int = 0
    acquisition_cost: str = ""
    breakdown: Breakdown | None = None

    @property
    def limit(self) -> int:
        """Groups kept."""
        return limit_of(self.breakdown)

    def filled(self, now_ms: int) -> "Ltv":
        """With every default in its place."""
        whole = self.granularity is Granularity.WHOLE
        return replace(
            self,
            scope=self.scope.filled(now_ms),
            granularity=Granularity.MONTH if whole else self.granularity,
            periods=self.periods or 12,
            breakdown=filled(self.breakdown),
        )

    def check(self) -> None:
        """Refuse what is malformed."""
        check_scope(self.scope, "scope")
        check_event(self.cohort, "cohort")
        require(1 <= len(self.revenue) <= _MAX_TERMS, "revenue", f"1 to {_MAX_TERMS} terms")
        for place, term in enumerate(self.revenue):
            check_event(term.event, f"revenue[{place}].event")
            check_name(term.property, f"revenue[{place}].property")
            factor = decimal_of(term.factor or "1", f"revenue[{place}].factor")
            whole = factor * _FACTOR == (factor * _FACTOR).to_integral_value()
            require(whole, f"revenue[{place}].factor", "at most 6 decimals")
            small = abs(factor) <= _MAX_FACTOR
            require(small, f"revenue[{place}].factor", f"at most {_MAX_FACTOR}")
        if self.acquisition_cost:
            decimal_of(self.acquisition_cost, "acquisition_cost")
        check_cohorts(
            self.scope,
            self.granularity,
            self.periods,
            self.breakdown,
            most=_MAX_PERIODS,
            columns=self.periods,
        )

    def groups(self, binder: Binder) -> Query | None:
        """See ``Question``; by persons."""
        return ranked(binder, self.breakdown, _persons(binder, self)) if self.breakdown else None

    def answer(self, binder: Binder, kept: Sequence[GroupKey] | None) -> Query:
        """Rows of ``cohort``, ``place``, ``n`` (-1: all), ``persons``, ``starting``, ``revenue``.

        ``starting`` are those whose first revenue is of the period; ``revenue`` has ten decimals.
        """
        rows = f"SELECT *, {placed(binder, self.breakdown, kept)} FROM ({_persons(binder, self)})"
        return binder.query(
            "SELECT cohort, place, earned.1 AS n, count() AS persons,"
            " countIf(earned.1 = first_paid) AS starting, toString(sum(earned.2)) AS revenue"
            " FROM (SELECT cohort, place, first_paid, arrayJoin(arrayPushFront(earnings,"
            f" (toInt64(-1), toInt128(0)))) AS earned FROM ({rows}))"
            " GROUP BY cohort, place, n ORDER BY cohort, place, n"
        )

    def members(self, binder: Binder, cell: "LtvCell", kept: Sequence[GroupKey] | None) -> str:
        """See ``Question``."""
        where = [f"cohort = {binder.whole(cell.cohort)}", *in_group(binder, cell.group, kept)]
        if cell.period >= 0:
            where.append(f"first_paid >= 0 AND first_paid <= {binder.whole(cell.period)}")
        return f"SELECT person FROM ({_persons(binder, self)}) WHERE {' AND '.join(where)}"

    def ended(self, cohort: int, period: int) -> bool:
        """Whether a period after a cohort's has ended at the time of view."""
        return ended(self.scope, self.granularity, cohort + period)


class LtvCell(NamedTuple):
    """A cohort, or those of it who paid up to a period."""

    cohort: int
    group: GroupKey | None
    period: int
    """-1: the whole cohort."""


def decimal_of(text: str, field: str) -> Decimal:
    """A decimal number; refuses what is none."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        refuse(field, "a decimal number")
    require(value.is_finite(), field, "a decimal number")
    return value


def revenue_of(ten_decimals: str) -> Decimal:
    """An amount as the engine adds it up."""
    return Decimal(ten_decimals) / (_SCALE * _FACTOR)


def _persons(binder: Binder, asked: Ltv) -> str:
    """A SELECT of each person of a cohort.

    Columns: ``cohort`` (number of the period), ``earnings`` (tuples of the periods since and the
    amount), ``first_paid`` (the first of those periods, -1 for none) and, if asked, ``split``.
    """
    scope, zone = asked.scope, binder.text(asked.scope.zone)
    events = followed(scope, asked.granularity, asked.periods)
    low, high = binder.time(scope.span.low), binder.time(scope.span.high)
    comes = event_predicate(binder, asked.cohort)
    earns = [_term(binder, term) for term in asked.revenue]
    columns = [
        f"toInt64({index_sql(asked.granularity, zone)}) AS period",
        f"{comes} AND time >= {low} AND time < {high} AS comes",
        f"{' OR '.join(test for test, _ in earns)} AS earns",
        f"{' + '.join(f'if({test}, {amount}, toInt128(0))' for test, amount in earns)} AS amount",
        "time",
        "message_id",
    ]
    picked = ["minIf(period, comes) AS cohort", _SUMS]
    by = asked.breakdown
    if by is not None and not by.by_trait:
        columns.append(f"{property_text(binder, by.name)} AS told")
        picked.append("argMinIf(told, (time, message_id), comes) AS split")
    meant = [asked.cohort, *(term.event for term in asked.revenue)]
    rows = scan(binder, meant, events, columns, persons_filter(binder, scope.persons))
    found = f"SELECT person, {', '.join(picked)} FROM ({rows}) GROUP BY person HAVING max(comes)"
    split = ", split" if by is not None and not by.by_trait else ""
    timed = (
        f"SELECT person, cohort{split}, arrayFilter(e -> e.1 >= 0 AND e.1 < {asked.periods},"
        " arrayMap((p, a) -> (p - cohort, toInt128(a)), sums.1, sums.2)) AS earnings,"
        " if(empty(earnings), toInt64(-1), arrayMin(arrayMap(e -> e.1, earnings))) AS first_paid"
        f" FROM ({found})"
    )
    return with_trait(binder, by, timed) if by is not None and by.by_trait else timed


def _term(binder: Binder, term: Term) -> tuple[str, str]:
    """Whether an event is of a term, and what it brings."""
    key = binder.text(term.property)
    factor = int(Decimal(term.factor or "1") * _FACTOR)
    test = f"({event_predicate(binder, term.event)} AND mapContains(number_properties, {key}))"
    return test, f"toInt128(round(number_properties[{key}] * {_SCALE})) * {factor}"
