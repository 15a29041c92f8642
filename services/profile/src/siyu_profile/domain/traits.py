"""The value of a trait: the fold of its operations, in event-time order, over all identifiers.

The fold is a function of the set of operations: arrival order and redelivery change nothing, and
after a merge or a split folding again gives what the operations say.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import Final

from siyu_kit.errors import InvalidInput
from siyu_kit.traits import RESERVED
from siyu_profile.domain.values import MAX_ITEMS, MAX_NUMBER, TraitValue

_NAME: Final = re.compile(r"[A-Za-z$_][A-Za-z0-9_$.]{0,99}")


class OperationKind(IntEnum):
    """What an operation does; the numbers are those of the contract."""

    SET = 1
    SET_ONCE = 2
    INCREMENT = 3
    APPEND = 4
    UNSET = 5


@dataclass(frozen=True, slots=True)
class TraitOperation:
    """One operation on one trait of one identifier; ``value`` is None for UNSET."""

    operation_id: str
    ident_no: int
    trait: str
    kind: OperationKind
    value: TraitValue | None
    event_time_ms: int


@dataclass(frozen=True, slots=True)
class TraitState:
    """A trait's value and the event time of the operation that gave it."""

    value: TraitValue
    valid_from_ms: int


def check_trait(name: str, field: str) -> str:
    """The name, if it is well formed and not reserved."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            "FIELD_INVALID", "a trait is 1 to 100 of [A-Za-z0-9_$.], no digit first", field=field
        )
    if name.startswith(RESERVED):
        raise InvalidInput("FIELD_INVALID", "consent. and rating. are reserved", field=field)
    return name


def fold_traits(operations: Iterable[TraitOperation]) -> dict[str, TraitState]:
    """Present values by trait. An operation that does not fit the value's type has no effect.

    Stating the same value again does not move the time from which it is valid.
    """
    states: dict[str, TraitState] = {}
    for operation in sorted(operations, key=_order):
        before = states.get(operation.trait)
        after = _applied(before.value if before else None, operation)
        if after is None:
            states.pop(operation.trait, None)
        elif before is None or after != before.value:
            states[operation.trait] = TraitState(after, operation.event_time_ms)
    return states


def _order(operation: TraitOperation) -> tuple[int, str]:
    return operation.event_time_ms, operation.operation_id


def _applied(value: TraitValue | None, operation: TraitOperation) -> TraitValue | None:
    operand = operation.value
    match operation.kind:
        case OperationKind.SET:
            return operand
        case OperationKind.SET_ONCE:
            return operand if value is None else value
        case OperationKind.UNSET:
            return None
        case OperationKind.INCREMENT:
            return _added(value, operand)
        case OperationKind.APPEND:
            return _appended(value, operand)


def _added(value: TraitValue | None, operand: TraitValue | None) -> TraitValue | None:
    if value is None:
        return operand
    if isinstance(value, Decimal) and isinstance(operand, Decimal):
        total = value + operand
        # A sum that no number may be is as if it had not been asked for.
        return total if abs(total) <= MAX_NUMBER else value
    return value


def _appended(value: TraitValue | None, operand: TraitValue | None) -> TraitValue | None:
    items = operand if isinstance(operand, tuple) else ()
    if value is None:
        return items
    if isinstance(value, tuple):
        return tuple(dict.fromkeys([*value, *items]))[:MAX_ITEMS]
    return value
