"""Conditions, read aloud and taken literally: one person, one node, one loop at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise, product
from typing import Any
from zoneinfo import ZoneInfo

from siyu.condition.v1 import condition_pb2 as pb
from siyu.event.v1 import event_pb2
from siyu.type.v1 import value_pb2

DAY_MS = 86_400_000
HOUR_MS = 3_600_000


@dataclass
class Person:
    """All that is known of one person."""

    events: list[event_pb2.Event] = field(default_factory=list)
    traits: dict[str, value_pb2.Value] = field(default_factory=dict)


def holds(condition: pb.Condition, person: Person, as_of_ms: int, zone: str) -> bool:
    """Whether a condition holds for somebody of the population."""

    def below(items: Sequence[pb.Condition]) -> list[bool]:
        return [holds(item, person, as_of_ms, zone) for item in items]

    match condition.WhichOneof("node"):
        case "all_of":
            return all(below(condition.all_of.conditions))
        case "any_of":
            return any(below(condition.any_of.conditions))
        case "none_of":
            return not any(below(condition.none_of.conditions))
        case "everyone":
            return True
        case _:
            return _leaf_holds(condition, person, as_of_ms, zone)


def _leaf_holds(condition: pb.Condition, person: Person, as_of_ms: int, zone: str) -> bool:
    if condition.HasField("trait"):
        leaf = condition.trait
        value = person.traits.get(leaf.trait)
        return compares([value] if value else [], leaf.operator, leaf.operands)
    if condition.HasField("event_count"):
        count = condition.event_count
        seen = [e for e in person.events if in_window(e, count.window, as_of_ms, zone)]
        number = sum(is_meant(event, count.event) for event in seen)
        return counts(number, count.operator, list(count.operands))
    return happened(condition.event_sequence, person, as_of_ms, zone)


def counts(number: int, operator: pb.Operator.ValueType, operands: list[int]) -> bool:
    """The comparison of a number of events."""
    first, last = operands[0], operands[-1]
    return {
        pb.OPERATOR_EQ: number == first,
        pb.OPERATOR_NE: number != first,
        pb.OPERATOR_LT: number < first,
        pb.OPERATOR_LE: number <= first,
        pb.OPERATOR_GT: number > first,
        pb.OPERATOR_GE: number >= first,
        pb.OPERATOR_BETWEEN: first <= number <= last,
    }[operator]


def happened(leaf: pb.EventSequenceCondition, person: Person, as_of_ms: int, zone: str) -> bool:
    """Tries every choice of one event a step."""
    seen = [e for e in person.events if in_window(e, leaf.window, as_of_ms, zone)]
    times = [sorted({e.event_time_ms for e in seen if is_meant(e, step)}) for step in leaf.steps]
    for choice in product(*times):
        rising = all(a < b for a, b in pairwise(choice))
        if rising and choice[-1] - choice[0] <= leaf.within_ms:
            return True
    return False


def in_window(event: event_pb2.Event, window: pb.Window, as_of_ms: int, zone: str) -> bool:
    """Whether an event lies in a window."""
    time = event.event_time_ms
    if time > as_of_ms:
        return False
    match window.WhichOneof("range"):
        case "absolute":
            return window.absolute.from_time_ms <= time < window.absolute.to_time_ms
        case "rolling":
            local = datetime.fromtimestamp(as_of_ms // 1000, ZoneInfo(zone))
            if window.rolling.unit == pb.WINDOW_UNIT_DAY:
                start = local.replace(hour=0, minute=0, second=0)
                start -= timedelta(days=window.rolling.units - 1)
                return time >= start.timestamp() * 1000
            start = local.replace(minute=0, second=0)
            return time >= start.timestamp() * 1000 - (window.rolling.units - 1) * HOUR_MS
        case _:
            return True


def is_meant(event: event_pb2.Event, wanted: pb.EventFilter) -> bool:
    """Whether an event passes a filter."""
    return event.name == wanted.event_name and all(
        compares(values_of(event, item.property), item.operator, item.operands)
        for item in wanted.filters
    )


def values_of(event: event_pb2.Event, name: str) -> list[value_pb2.Value]:
    """A property under every type that it has."""
    if name.startswith("context."):
        key = name.removeprefix("context.")
        found = event.context.get(key) if key in event.context else None
        return [] if found is None else [value_pb2.Value(string_value=found)]
    values = []
    if name in event.string_properties:
        values.append(value_pb2.Value(string_value=event.string_properties[name]))
    if name in event.number_properties:
        values.append(value_pb2.Value(number_value=event.number_properties[name]))
    if name in event.bool_properties:
        values.append(value_pb2.Value(bool_value=event.bool_properties[name]))
    if name in event.time_properties:
        values.append(value_pb2.Value(time_ms_value=event.time_properties[name]))
    if name in event.list_properties:
        values.append(value_pb2.Value(list_value=event.list_properties[name]))
    return values


def compares(
    values: list[value_pb2.Value],
    operator: pb.Operator.ValueType,
    operands: Sequence[value_pb2.Value],
) -> bool:
    """The comparison of a value that may be missing, or stand under several types."""
    present = [value for value in values if value.WhichOneof("kind")]
    if operator == pb.OPERATOR_EXISTS:
        return bool(present)
    if operator == pb.OPERATOR_NOT_EXISTS:
        return not present
    if operator in (pb.OPERATOR_EQ, pb.OPERATOR_IN):
        return any(_equals(value, operand) for value in present for operand in operands)
    if operator in (pb.OPERATOR_NE, pb.OPERATOR_NOT_IN):
        same = any(_equals(value, operand) for value in present for operand in operands)
        return bool(present) and not same
    if operator == pb.OPERATOR_CONTAINS:
        return any(_contains(value, operands[0].string_value) for value in present)
    kind = str(operands[0].WhichOneof("kind"))
    alike = [getattr(value, kind) for value in present if value.WhichOneof("kind") == kind]
    bounds = [getattr(operand, kind) for operand in operands]
    return any(_ranges(value, operator, bounds) for value in alike)


def _equals(value: value_pb2.Value, operand: value_pb2.Value) -> bool:
    if value.WhichOneof("kind") == "list_value":
        return operand.WhichOneof("kind") == "string_value" and list(value.list_value.values) == [
            operand.string_value
        ]
    return value == operand


def _contains(value: value_pb2.Value, needle: str) -> bool:
    match value.WhichOneof("kind"):
        case "string_value":
            return needle in value.string_value
        case "list_value":
            return needle in value.list_value.values
        case _:
            return False


def _ranges(value: Any, operator: pb.Operator.ValueType, bounds: list[Any]) -> bool:
    return bool(
        {
            pb.OPERATOR_LT: value < bounds[0],
            pb.OPERATOR_LE: value <= bounds[0],
            pb.OPERATOR_GT: value > bounds[0],
            pb.OPERATOR_GE: value >= bounds[0],
            pb.OPERATOR_BETWEEN: bounds[0] <= value <= bounds[-1],
        }[operator]
    )
