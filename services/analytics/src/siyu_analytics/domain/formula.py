"""Formulas over counts: arithmetic on decimals, and nothing else."""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal, DivisionByZero, InvalidOperation
from enum import Enum
from operator import add, mul, sub, truediv
from typing import Final

from siyu_analytics.domain.breakdown import (
    Breakdown,
    filled,
)
from siyu_analytics.domain.checks import refuse, require
from siyu_analytics.domain.events import EventsRequest, check_events
from siyu_analytics.domain.filters import EventFilter
from siyu_analytics.domain.measures import Measure
from siyu_analytics.domain.periods import Granularity
from siyu_analytics.domain.scope import Scope

_MAX_TERMS: Final = 8
_MAX_LENGTH: Final = 200
_SIGNS: Final = str.maketrans({"×": "*", "÷": "/"})
LETTERS: Final = "ABCDEFGH"
_OPERATIONS: Final[Mapping[type[ast.operator], Callable[[Decimal, Decimal], Decimal]]] = {
    ast.Add: add,
    ast.Sub: sub,
    ast.Mult: mul,
    ast.Div: truediv,
}


class Value(Enum):
    """What a term stands for."""

    EVENTS = "events"
    PERSONS = "persons"
    SUM = "sum"


@dataclass(frozen=True, slots=True)
class Term:
    """One term."""

    event: EventFilter
    value: Value = Value.EVENTS
    property: str = ""


@dataclass(frozen=True, slots=True)
class FormulaRequest:
    """What is asked; see ``QueryFormulaRequest`` in the contract."""

    scope: Scope
    terms: tuple[Term, ...]
    formula: str
    granularity: Granularity = Granularity.WHOLE
    breakdown: Breakdown | None = None

    def filled(self, now_ms: int) -> "FormulaRequest":
        """With every default in its place."""
        by = filled(self.breakdown)
        return replace(self, scope=self.scope.filled(now_ms), breakdown=by)

    def of_term(self, place: int) -> EventsRequest:
        """The question that a term is."""
        term = self.terms[place]
        measure = Measure.SUM if term.value is Value.SUM else Measure.NONE
        return EventsRequest(
            self.scope, term.event, self.granularity, self.breakdown, measure, term.property
        )


def check_formula(request: FormulaRequest) -> None:
    """Refuse a filled request that is malformed."""
    require(1 <= len(request.terms) <= _MAX_TERMS, "terms", f"1 to {_MAX_TERMS} terms")
    for place in range(len(request.terms)):
        check_events(request.of_term(place))
    require(len(request.formula) <= _MAX_LENGTH, "formula", f"at most {_MAX_LENGTH} characters")
    _parsed(request.formula, LETTERS[: len(request.terms)])


def computed(formula: str, values: Mapping[str, Decimal]) -> str:
    """The formula's value as decimal text; empty where it divides by 0."""
    try:
        value = _value(_parsed(formula, "".join(values)), values)
        return f"{value.quantize(Decimal('0.0001'), rounding=ROUND_HALF_EVEN):f}"
    except (DivisionByZero, InvalidOperation):
        return ""


def _parsed(formula: str, letters: str) -> ast.expr:
    """The formula as a tree; refuses whatever is no arithmetic over the letters."""
    try:
        tree = ast.parse(formula.translate(_SIGNS).strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        refuse("formula", "arithmetic over the terms")
    _check(tree, letters)
    return tree


def _check(node: ast.expr, letters: str) -> None:
    match node:
        case ast.BinOp(left, operator, right) if type(operator) in _OPERATIONS:
            _check(left, letters)
            _check(right, letters)
        case ast.UnaryOp(ast.USub(), operand):
            _check(operand, letters)
        case ast.Name(name) if name in letters and len(name) == 1:
            pass
        case ast.Constant(bool() | complex()):
            refuse("formula", "decimal numbers")
        case ast.Constant(int() | float()):
            pass
        case _:
            refuse("formula", "arithmetic over the terms")


def _value(node: ast.expr, values: Mapping[str, Decimal]) -> Decimal:
    match node:
        case ast.BinOp(left, operator, right):
            return _OPERATIONS[type(operator)](_value(left, values), _value(right, values))
        case ast.UnaryOp(_, operand):
            return -_value(operand, values)
        case ast.Name(name):
            return values[name]
        case ast.Constant(number):
            return Decimal(str(number))
        case _:
            raise TypeError(f"{type(node).__name__} is no part of a formula")
