"""The condition language as a tree. Semantics are total: a leaf over a missing value is false."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from siyu_analytics.domain.checks import check_name, require
from siyu_analytics.domain.filters import EventFilter, check_event
from siyu_analytics.domain.values import LISTS, PRESENCES, Operand, Operator, check_operands
from siyu_analytics.domain.windows import Window, check_window

MAX_NODES: Final = 64
MAX_DEPTH: Final = 8
MAX_CHILDREN: Final = 32
MAX_WITHIN_MS: Final = 315_360_000_000


@dataclass(frozen=True, slots=True)
class AllOf:
    """All of the conditions hold."""

    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of the conditions holds."""

    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class NoneOf:
    """None of the conditions holds: the complement over the population."""

    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Everyone:
    """The population."""


@dataclass(frozen=True, slots=True)
class Trait:
    """A trait's value compares."""

    name: str
    operator: Operator
    operands: tuple[Operand, ...] = ()


@dataclass(frozen=True, slots=True)
class EventCount:
    """The number of events in a window compares; nobody's number is missing, it is 0."""

    event: EventFilter
    window: Window
    operator: Operator
    operands: tuple[int, ...]

    def holds(self, count: int) -> bool:
        """Whether a number of events satisfies the comparison."""
        first, last = self.operands[0], self.operands[-1]
        return {
            Operator.EQ: count == first,
            Operator.NE: count != first,
            Operator.LT: count < first,
            Operator.LE: count <= first,
            Operator.GT: count > first,
            Operator.GE: count >= first,
            Operator.BETWEEN: first <= count <= last,
        }[self.operator]


@dataclass(frozen=True, slots=True)
class EventSequence:
    """The steps happened in this order at strictly increasing times, all inside the window."""

    steps: tuple[EventFilter, ...]
    within_ms: int
    window: Window


Condition: TypeAlias = AllOf | AnyOf | NoneOf | Everyone | Trait | EventCount | EventSequence


class Node(NamedTuple):
    """A node of a condition with its place."""

    number: int
    """Depth first from 0."""
    parent: int
    """The root is its own parent."""
    depth: int
    path: str
    """Proto path, for errors."""
    condition: Condition


def walk(condition: Condition, path: str = "condition") -> Iterator[Node]:
    """All nodes, depth first."""
    open_nodes = [(condition, 0, 1, path)]
    number = 0
    while open_nodes:
        item, parent, depth, place = open_nodes.pop()
        yield Node(number, parent, depth, place, item)
        below = [(c, number, depth + 1, f"{place}{p}") for c, p in _children(item)]
        open_nodes.extend(reversed(below))
        number += 1


def _children(condition: Condition) -> list[tuple[Condition, str]]:
    match condition:
        case AllOf(conditions):
            return [(c, f".all_of.conditions[{i}]") for i, c in enumerate(conditions)]
        case AnyOf(conditions):
            return [(c, f".any_of.conditions[{i}]") for i, c in enumerate(conditions)]
        case NoneOf(conditions):
            return [(c, f".none_of.conditions[{i}]") for i, c in enumerate(conditions)]
        case _:
            return []


def check_condition(condition: Condition, path: str = "condition") -> None:
    """Refuse a condition that is malformed or too large."""
    for node in walk(condition, path):
        require(node.number < MAX_NODES, path, f"at most {MAX_NODES} nodes")
        require(node.depth <= MAX_DEPTH, node.path, f"at most {MAX_DEPTH} deep")
        _check_node(node.condition, node.path)


def _check_node(condition: Condition, path: str) -> None:
    match condition:
        case AllOf(conditions):
            _check_width(len(conditions), f"{path}.all_of.conditions")
        case AnyOf(conditions):
            _check_width(len(conditions), f"{path}.any_of.conditions")
        case NoneOf(conditions):
            _check_width(len(conditions), f"{path}.none_of.conditions")
        case Trait():
            check_name(condition.name, f"{path}.trait.trait")
            check_operands(condition.operator, condition.operands, f"{path}.trait")
        case EventCount():
            _check_count(condition, f"{path}.event_count")
        case EventSequence():
            _check_sequence(condition, f"{path}.event_sequence")
        case _:
            pass


def _check_width(width: int, path: str) -> None:
    require(1 <= width <= MAX_CHILDREN, path, f"1 to {MAX_CHILDREN} conditions")


def _check_count(condition: EventCount, path: str) -> None:
    check_event(condition.event, f"{path}.event")
    check_window(condition.window, f"{path}.window")
    compares = condition.operator not in LISTS | PRESENCES | {Operator.CONTAINS}
    require(compares, f"{path}.operator", "=, ≠, <, ≤, >, ≥ or between")
    expected = 2 if condition.operator is Operator.BETWEEN else 1
    require(len(condition.operands) == expected, f"{path}.operands", f"{expected}")
    ascending = condition.operands[0] <= condition.operands[-1]
    require(ascending, f"{path}.operands", "ascending")


def _check_sequence(condition: EventSequence, path: str) -> None:
    require(2 <= len(condition.steps) <= 8, f"{path}.steps", "2 to 8 steps")
    for position, step in enumerate(condition.steps):
        check_event(step, f"{path}.steps[{position}]")
    within = 1 <= condition.within_ms <= MAX_WITHIN_MS
    require(within, f"{path}.within_ms", f"1 to {MAX_WITHIN_MS} ms")
    check_window(condition.window, f"{path}.window")
