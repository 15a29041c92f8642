"""What is added up of the events of a row, exactly."""

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from enum import Enum
from typing import Any, Final

from siyu_analytics.domain.binder import Binder
from siyu_analytics.domain.value_text import property_text

_SCALE: Final = 10_000


class Measure(Enum):
    """What is added up; see ``Measure`` in the contract."""

    NONE = ""
    SUM = "sum"
    AVERAGE = "average"
    MAX = "max"
    MIN = "min"
    SUM_PER_PERSON = "sum_per_person"
    DISTINCT = "distinct"
    EVENTS_PER_PERSON = "events_per_person"


OF_NOTHING: Final = {Measure.NONE, Measure.EVENTS_PER_PERSON}
ANY_TYPE: Final = {*OF_NOTHING, Measure.DISTINCT}


def amount_columns(binder: Binder, measure: Measure, name: str) -> list[str]:
    """Columns ``amount`` and ``has_amount``: the measured value, a number in ten-thousandths.

    Whole numbers, so that sums are exact; ``toDecimal64`` would cut 0.29 to 0.2899.
    """
    if measure in OF_NOTHING:
        return ["toInt128(0) AS amount", "false AS has_amount"]
    if measure is Measure.DISTINCT:
        text = property_text(binder, name)
        return [f"{text} AS amount", "NOT amount.2 AS has_amount"]
    key = binder.text(name)
    return [
        f"toInt128(round(number_properties[{key}] * {_SCALE})) AS amount",
        f"mapContains(number_properties, {key}) AS has_amount",
    ]


def total_sql(measure: Measure) -> str:
    """SQL: what the events of a row add up to, ten-thousandths as text."""
    match measure:
        case Measure.MAX | Measure.MIN:
            return f"toString({measure.value}If(amount, has_amount))"
        case Measure.DISTINCT:
            return "toString(uniqExactIf(amount.1, has_amount) * 10000)"
        case Measure.EVENTS_PER_PERSON | Measure.NONE:
            return "'0'"
        case _:
            return "toString(sumIf(amount, has_amount))"


def measured(measure: Measure, row: Mapping[str, Any]) -> str:
    """The measure of a row as text with four decimals; empty without one or without any value."""
    if measure is Measure.EVENTS_PER_PERSON:
        return _quotient(Decimal(row["events"]), row["persons"])
    if measure is Measure.NONE or row["valued"] == 0:
        return ""
    exact = Decimal(row["total"]).scaleb(-4)
    if measure is Measure.AVERAGE:
        return _quotient(exact, row["valued"])
    if measure is Measure.SUM_PER_PERSON:
        return _quotient(exact, row["persons"])
    return f"{exact:f}"


def _quotient(amount: Decimal, number: int) -> str:
    if number == 0:
        return ""
    return f"{(amount / number).quantize(Decimal('0.0001'), rounding=ROUND_HALF_EVEN):f}"


def decimal_text(ten_thousandths: str) -> str:
    """A whole number of ten-thousandths as decimal text."""
    return f"{Decimal(ten_thousandths).scaleb(-4):f}"
