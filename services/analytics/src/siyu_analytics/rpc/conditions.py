"""From the condition language's messages to the domain's tree."""

from collections.abc import Sequence
from typing import Final

from siyu.condition.v1 import condition_pb2 as pb
from siyu.type.v1 import value_pb2
from siyu_analytics.domain.checks import refuse, require
from siyu_analytics.domain.condition import (
    MAX_DEPTH,
    AllOf,
    AnyOf,
    Condition,
    EventCount,
    EventSequence,
    Everyone,
    NoneOf,
    Trait,
)
from siyu_analytics.domain.filters import EventFilter, PropertyFilter
from siyu_analytics.domain.values import Operand, Operator, TimeMs
from siyu_analytics.domain.windows import Absolute, Rolling, Span, Unit, Window
from siyu_analytics.rpc.enums import known

_OPERATORS: Final = {
    pb.OPERATOR_EQ: Operator.EQ,
    pb.OPERATOR_NE: Operator.NE,
    pb.OPERATOR_LT: Operator.LT,
    pb.OPERATOR_LE: Operator.LE,
    pb.OPERATOR_GT: Operator.GT,
    pb.OPERATOR_GE: Operator.GE,
    pb.OPERATOR_BETWEEN: Operator.BETWEEN,
    pb.OPERATOR_IN: Operator.IN,
    pb.OPERATOR_NOT_IN: Operator.NOT_IN,
    pb.OPERATOR_CONTAINS: Operator.CONTAINS,
    pb.OPERATOR_EXISTS: Operator.EXISTS,
    pb.OPERATOR_NOT_EXISTS: Operator.NOT_EXISTS,
}
_KNOWN: Final[dict[int, Operator]] = {int(number): known for number, known in _OPERATORS.items()}
_UNITS: Final = {pb.WINDOW_UNIT_HOUR: Unit.HOUR, pb.WINDOW_UNIT_DAY: Unit.DAY}


def condition_from(message: pb.Condition, field: str = "condition", depth: int = 1) -> Condition:
    """A condition; refuses what is not said, and what is nested too deep to walk safely."""
    require(depth <= MAX_DEPTH, field, f"at most {MAX_DEPTH} deep")
    kind = message.WhichOneof("node")
    if kind is None:
        refuse(field, "one of its forms")
    match kind:
        case "all_of":
            return AllOf(_below(message.all_of.conditions, f"{field}.all_of", depth))
        case "any_of":
            return AnyOf(_below(message.any_of.conditions, f"{field}.any_of", depth))
        case "none_of":
            return NoneOf(_below(message.none_of.conditions, f"{field}.none_of", depth))
        case "everyone":
            return Everyone()
        case _:
            return _leaf(message, kind, f"{field}.{kind}")


def _below(messages: Sequence[pb.Condition], field: str, depth: int) -> tuple[Condition, ...]:
    return tuple(
        condition_from(item, f"{field}.conditions[{position}]", depth + 1)
        for position, item in enumerate(messages)
    )


def _leaf(message: pb.Condition, kind: str, field: str) -> Condition:
    if kind == "trait":
        leaf = message.trait
        operator = operator_from(leaf.operator, field)
        return Trait(leaf.trait, operator, _operands(leaf.operands, field))
    if kind == "event_count":
        count = message.event_count
        return EventCount(
            event_from(count.event, f"{field}.event"),
            _window(count.window, f"{field}.window"),
            operator_from(count.operator, field),
            tuple(count.operands),
        )
    sequence = message.event_sequence
    steps = events_from(sequence.steps, f"{field}.steps")
    return EventSequence(steps, sequence.within_ms, _window(sequence.window, f"{field}.window"))


def event_from(message: pb.EventFilter, field: str) -> EventFilter:
    """Which events are meant."""
    filters = []
    for position, item in enumerate(message.filters):
        path = f"{field}.filters[{position}]"
        operator = operator_from(item.operator, path)
        filters.append(PropertyFilter(item.property, operator, _operands(item.operands, path)))
    return EventFilter(message.event_name, tuple(filters))


def events_from(messages: Sequence[pb.EventFilter], field: str) -> tuple[EventFilter, ...]:
    """Several of them."""
    return tuple(event_from(item, f"{field}[{place}]") for place, item in enumerate(messages))


def operator_from(operator: int, field: str) -> Operator:
    """An operator; refuses one that is not said or not known."""
    return known(_KNOWN, operator, f"{field}.operator", what="operator")


def _operands(messages: Sequence[value_pb2.Value], field: str) -> tuple[Operand, ...]:
    return tuple(
        _operand(item, f"{field}.operands[{position}]") for position, item in enumerate(messages)
    )


def _operand(message: value_pb2.Value, field: str) -> Operand:
    kind = message.WhichOneof("kind")
    if kind is None or kind == "list_value":
        refuse(field, "a string, a number, a truth value or a time")
    value: str | float | bool = getattr(message, kind)
    return TimeMs(message.time_ms_value) if kind == "time_ms_value" else value


def _window(message: pb.Window, field: str) -> Window:
    match message.WhichOneof("range"):
        case "rolling":
            unit = _UNITS.get(message.rolling.unit)
            if unit is None:
                refuse(f"{field}.rolling.unit", "hour or day")
            return Rolling(message.rolling.units, unit)
        case "absolute":
            return Absolute(Span(message.absolute.from_time_ms, message.absolute.to_time_ms))
        case _:
            return None
