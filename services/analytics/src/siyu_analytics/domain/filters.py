"""Which events are meant: a name and filters on properties."""

from dataclasses import dataclass
from typing import Final

from siyu_analytics.domain.checks import check_name, require
from siyu_analytics.domain.values import Operand, Operator, check_operands

CONTEXT: Final = "context."
"""Prefix of a property that means the context."""
_MAX_FILTERS: Final = 16


@dataclass(frozen=True, slots=True)
class PropertyFilter:
    """Comparison of one property of an event."""

    name: str
    operator: Operator
    operands: tuple[Operand, ...] = ()


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Events of one name that all of the filters hold for."""

    name: str
    filters: tuple[PropertyFilter, ...] = ()


def check_event(event: EventFilter, field: str) -> None:
    """Refuse a filter that is malformed."""
    check_name(event.name, f"{field}.event_name")
    require(len(event.filters) <= _MAX_FILTERS, f"{field}.filters", f"at most {_MAX_FILTERS}")
    for position, item in enumerate(event.filters):
        path = f"{field}.filters[{position}]"
        check_property(item.name, f"{path}.property")
        check_operands(item.operator, item.operands, path)


def check_property(name: str, field: str) -> None:
    """Refuse a property name that cannot be one."""
    check_name(name, field)
    require(name != CONTEXT, field, "a key after the prefix")
