"""Typed operands, the operators that take them, and how often each operator takes one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from siyu_analytics.domain.checks import check_time, require


class Operator(Enum):
    """A comparison; the value is how it reads."""

    EQ = "="
    NE = "≠"
    LT = "<"
    LE = "≤"
    GT = ">"
    GE = "≥"
    BETWEEN = "between"
    IN = "in"
    NOT_IN = "not in"
    CONTAINS = "contains"
    EXISTS = "exists"
    NOT_EXISTS = "does not exist"


@dataclass(frozen=True, slots=True, order=True)
class TimeMs:
    """A point in time, milliseconds UTC; a type of its own so that it never equals a number."""

    ms: int


Operand: TypeAlias = str | float | bool | TimeMs

RANGES: Final = {Operator.LT, Operator.LE, Operator.GT, Operator.GE}
LISTS: Final = {Operator.IN, Operator.NOT_IN}
PRESENCES: Final = {Operator.EXISTS, Operator.NOT_EXISTS}
_MAX_OPERANDS: Final = 1_000
_MAX_TEXT: Final = 8_191


def check_operands(operator: Operator, operands: Sequence[Operand], field: str) -> None:
    """Refuse operands that the operator does not take: their number, their type, their values."""
    low, high = _arity(operator)
    require(low <= len(operands) <= high, f"{field}.operands", f"{low} to {high} operands")
    if not operands:
        return
    kinds = {type(operand) for operand in operands}
    require(len(kinds) == 1, f"{field}.operands", "all of one type")
    allowed = _types(operator)
    require(kinds <= allowed, f"{field}.operands", "of a type that the operator compares")
    for position, operand in enumerate(operands):
        _check_operand(operand, f"{field}.operands[{position}]")
    if operator is Operator.BETWEEN:
        first, last = operands
        require(first <= last, f"{field}.operands", "ascending")  # type: ignore[operator]


def _arity(operator: Operator) -> tuple[int, int]:
    if operator in PRESENCES:
        return 0, 0
    if operator in LISTS:
        return 1, _MAX_OPERANDS
    return (2, 2) if operator is Operator.BETWEEN else (1, 1)


def _types(operator: Operator) -> set[type]:
    if operator in RANGES or operator is Operator.BETWEEN:
        return {float, TimeMs}
    if operator in LISTS:
        return {str, float}
    if operator is Operator.CONTAINS:
        return {str}
    return {str, float, bool, TimeMs}


def _check_operand(operand: Operand, field: str) -> None:
    match operand:
        case str():
            require(len(operand.encode()) <= _MAX_TEXT, field, f"at most {_MAX_TEXT} bytes")
        case TimeMs():
            check_time(operand.ms, field)
        case float():
            require(math.isfinite(operand), field, "finite")
        case _:
            pass
