"""How a condition came out for one person, in words and with its evidence."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from siyu_analytics.domain.audience import Sets, sequence_paths
from siyu_analytics.domain.binder import Binder, Query
from siyu_analytics.domain.condition import (
    AllOf,
    AnyOf,
    Condition,
    EventCount,
    EventSequence,
    Everyone,
    NoneOf,
    Trait,
    walk,
)
from siyu_analytics.domain.filters import EventFilter
from siyu_analytics.domain.scan import MS, scan
from siyu_analytics.domain.traits import latest_trait_text
from siyu_analytics.domain.values import PRESENCES, Operand, Operator, TimeMs
from siyu_analytics.domain.windows import Absolute, Rolling, Window, window_span

_TIMES: Final = 10
_SHOWN_OPERANDS: Final = 5
_QUANTIFIERS: Final[dict[type, str]] = {AllOf: "all", AnyOf: "any", NoneOf: "none"}


class Outcome(NamedTuple):
    """One node; see ``NodeExplanation`` in the contract."""

    node: int
    parent: int
    text: str
    holds: bool
    found: str
    times_ms: Sequence[int]


def outcomes_query(binder: Binder, condition: Condition) -> Query:
    """One row: ``holds``, 0 or 1 of each node, depth first. The binder is of one person."""
    sets = Sets(binder)
    sets.add(condition)
    counts = ", ".join(f"bitmapCardinality({node})" for node in sets.nodes)
    return binder.query(f"{sets.header} SELECT [{counts}] AS holds")


def evidence_query(binder: Binder, leaf: Condition) -> Query | None:
    """At most one row: ``number``, ``times`` newest first, ``value``; None without evidence."""
    match leaf:
        case Trait():
            rows = latest_trait_text(binder, leaf.name)
            return binder.query(
                f"SELECT 1 AS number, emptyArrayInt64() AS times, shown AS value FROM ({rows})"
            )
        case EventCount():
            span = window_span(leaf.window, binder.basis.as_of_ms, binder.basis.zone)
            rows = scan(binder, [leaf.event], span, [MS])
            newest = f"arraySlice(arrayReverseSort(groupArray(ms)), 1, {_TIMES})"
            return binder.query(
                f"SELECT count() AS number, {newest} AS times, '' AS value FROM ({rows})"
            )
        case EventSequence():
            return binder.query(
                "SELECT length(path) AS number, arrayReverse(path) AS times, '' AS value"
                f" FROM ({sequence_paths(binder, leaf)})"
            )
        case _:
            return None


def found_text(leaf: Condition, number: int, value: str) -> str:
    """What was found, in words; ``number`` is 0 when there was no row."""
    match leaf:
        case Trait():
            return f"{leaf.name} = {value}" if number else f"{leaf.name} is absent"
        case EventCount():
            return f"{number} event" + ("" if number == 1 else "s")
        case EventSequence(steps):
            return f"{number} of {len(steps)} steps"
        case _:
            return ""


def node_texts(condition: Condition) -> list[str]:
    """Every node in words, depth first."""
    return [_text(node.condition) for node in walk(condition)]


def _text(condition: Condition) -> str:
    match condition:
        case AllOf(conditions) | AnyOf(conditions) | NoneOf(conditions):
            return f"{_QUANTIFIERS[type(condition)]} of {len(conditions)}"
        case Everyone():
            return "everyone"
        case Trait():
            return _comparison(condition.name, condition.operator, condition.operands)
        case EventCount():
            event = f"{_event(condition.event)}{_window(condition.window)}"
            operands = [float(count) for count in condition.operands]
            return _comparison(event, condition.operator, operands)
        case EventSequence():
            steps = ", then ".join(_event(step) for step in condition.steps)
            return f"{steps} within {condition.within_ms} ms{_window(condition.window)}"


def _event(event: EventFilter) -> str:
    if not event.filters:
        return event.name
    filters = (_comparison(item.name, item.operator, item.operands) for item in event.filters)
    return f"{event.name} where {' and '.join(filters)}"


def _comparison(name: str, operator: Operator, operands: Sequence[Operand]) -> str:
    if operator in PRESENCES:
        return f"{name} {operator.value}"
    if operator is Operator.BETWEEN:
        low, high = operands
        return f"{name} between {_operand(low)} and {_operand(high)}"
    shown = [_operand(operand) for operand in operands[:_SHOWN_OPERANDS]]
    if len(operands) > _SHOWN_OPERANDS:
        shown.append(f"and {len(operands) - _SHOWN_OPERANDS} more")
    return f"{name} {operator.value} {', '.join(shown)}"


def _operand(operand: Operand) -> str:
    match operand:
        case bool():
            return "true" if operand else "false"
        case TimeMs():
            return f"{operand.ms} ms"
        case float():
            return f"{operand:.15g}"
        case _:
            return operand


def _window(window: Window) -> str:
    match window:
        case Rolling(units, unit):
            return f" in the last {units} {unit.value}" + ("" if units == 1 else "s")
        case Absolute(span):
            return f" from {span.low} ms to {span.high} ms"
        case None:
            return ""
