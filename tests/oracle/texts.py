"""Values as the groups of a result name them."""

from typing import Any

from oracle.condition_oracle import values_of
from siyu.type.v1 import value_pb2


def property_text(event: Any, name: str) -> str | None:
    """The group of an event by one of its properties; None without a value."""
    values = values_of(event, name)
    return text(values[0]) if values else None


def text(value: value_pb2.Value | None) -> str | None:
    """A value in words."""
    if value is None:
        return None
    match value.WhichOneof("kind"):
        case "number_value":
            return f"{value.number_value:g}"
        case "bool_value":
            return "true" if value.bool_value else "false"
        case "list_value":
            return ",".join(value.list_value.values)
        case kind:
            return str(getattr(value, str(kind)))
