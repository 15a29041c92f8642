"""Attributes: persons by what they are as of a time. See the contract for the rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal
from enum import Enum
from typing import Any, Final, NamedTuple

from siyu_analytics.domain.audience import persons_filter
from siyu_analytics.domain.binder import Binder, Query
from siyu_analytics.domain.breakdown import (
    Breakdown,
    GroupKey,
    check_breakdown,
    filled,
    in_group,
    limit_of,
    placed,
    ranked,
    with_trait,
)
from siyu_analytics.domain.checks import check_name, require
from siyu_analytics.domain.scope import Scope, check_scope
from siyu_analytics.domain.traits import latest_trait, latest_trait_text, trait_source

_SCALE: Final = 10_000


class Measure(Enum):
    """What is taken of the persons of a group."""

    NONE = ""
    DISTINCT = "distinct"
    SUM = "sum"
    AVERAGE = "average"
    MAX = "max"
    MIN = "min"


@dataclass(frozen=True, slots=True)
class Attributes:
    """A ``Question``."""

    scope: Scope
    measure: Measure = Measure.NONE
    trait: str = ""
    breakdown: Breakdown | None = None

    @property
    def limit(self) -> int:
        """Groups kept."""
        return limit_of(self.breakdown)

    def filled(self, now_ms: int) -> "Attributes":
        """With every default in its place."""
        by = filled(self.breakdown)
        return replace(self, scope=self.scope.filled(now_ms), breakdown=by)

    def check(self) -> None:
        """Refuse what is malformed."""
        check_scope(self.scope, "scope")
        if self.measure is Measure.NONE:
            require(not self.trait, "measure_trait", "empty without a measure")
        else:
            check_name(self.trait, "measure_trait")
        if self.breakdown is not None:
            require(self.breakdown.by_trait, "breakdown", "by a trait")
            check_breakdown(self.breakdown, "breakdown")

    def groups(self, binder: Binder) -> Query | None:
        """See ``Question``; by persons."""
        return ranked(binder, self.breakdown, _persons(binder, self)) if self.breakdown else None

    def answer(self, binder: Binder, kept: Sequence[GroupKey] | None) -> Query:
        """Rows of ``everything``, ``place``, ``persons``, ``valued`` and ``total``; total first."""
        rows = (
            "SELECT person, has_value, amount,"
            f" {placed(binder, self.breakdown, kept)} FROM ({_persons(binder, self)})"
        )
        return binder.query(
            "SELECT toBool(grouping(place)) AS everything, place, count() AS persons,"
            f" countIf(has_value) AS valued, {_total(self.measure)} AS total FROM ({rows})"
            " GROUP BY GROUPING SETS ((place), ())"
            " ORDER BY everything DESC, place.3, persons DESC, place.2, place.1"
        )

    def members(
        self, binder: Binder, cell: "AttributeCell", kept: Sequence[GroupKey] | None
    ) -> str:
        """See ``Question``."""
        where = ["true", *in_group(binder, cell.group, kept)]
        if cell.valued is not None:
            where.append("has_value" if cell.valued else "NOT has_value")
        return f"SELECT person FROM ({_persons(binder, self)}) WHERE {' AND '.join(where)}"


class AttributeCell(NamedTuple):
    """The persons of a group, or those of it with or without the measured trait."""

    group: GroupKey | None
    valued: bool | None


def measured(measure: Measure, row: Mapping[str, Any]) -> str:
    """The measure of a row as decimal text; empty without one or where nobody has the trait."""
    if measure is Measure.NONE or not row["valued"]:
        return ""
    if measure is Measure.DISTINCT:
        return str(row["total"])
    exact = Decimal(row["total"]).scaleb(-4)
    if measure is Measure.AVERAGE:
        mean = exact / row["valued"]
        return f"{mean.quantize(Decimal('0.0001'), rounding=ROUND_HALF_EVEN):f}"
    return f"{exact:f}"


def _total(measure: Measure) -> str:
    match measure:
        case Measure.NONE:
            return "'0'"
        case Measure.DISTINCT:
            return "toString(uniqExactIf(amount, has_value))"
        case Measure.MAX | Measure.MIN:
            return f"toString({measure.value}If(amount, has_value))"
        case _:
            return "toString(sumIf(amount, has_value))"


def _persons(binder: Binder, asked: Attributes) -> str:
    """A SELECT of everybody: ``person``, ``has_value``, ``amount`` and, if asked, ``split``."""
    chosen = persons_filter(binder, asked.scope.persons)
    tests = [f"person_no IN {chosen}"] if chosen else []
    if binder.only_person is not None:
        tests.append(f"person_no = {binder.number(binder.only_person)}")
    where = f" WHERE {' AND '.join(tests)}" if tests else ""
    rows = f"SELECT person_no AS person FROM {binder.basis.population}{where}"
    if asked.measure is Measure.NONE:
        rows = f"SELECT person, true AS has_value, 0 AS amount FROM ({rows})"
    else:
        if asked.measure is Measure.DISTINCT:
            told = "shown AS amount"
            found = latest_trait_text(binder, asked.trait)
        else:
            source = trait_source()
            told = f"toInt128(round(number_value * {_SCALE})) AS amount"
            number = source.number.present if source.number else "false"
            found = f"SELECT * FROM ({latest_trait(binder, asked.trait)}) WHERE {number}"
        values = f"SELECT person_no, true AS known, {told} FROM ({found})"
        rows = (
            "SELECT somebody.person AS person, toBool(known) AS has_value, amount"
            f" FROM ({rows}) AS somebody LEFT ANY JOIN ({values}) AS traited"
            " ON somebody.person = traited.person_no"
        )
    return with_trait(binder, asked.breakdown, rows) if asked.breakdown is not None else rows
