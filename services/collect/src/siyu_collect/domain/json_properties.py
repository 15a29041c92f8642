"""JSON values as typed properties, the same for every JSON format."""

from collections.abc import Mapping
from typing import Any

from siyu_kit.errors import InvalidInput

EventFields = dict[str, Any]
"""Fields of an event by the names of the contract, ids as pairs; not judged by the rules yet."""


def typed(properties: Mapping[str, Any], into: EventFields) -> None:
    """Sort the values by type into the fields of ``into``.

    A text, a number, a truth value, a list of texts, ``{"$time": milliseconds}``; null is no
    property. Raises InvalidInput (VALUE_INVALID) for anything else, with the field named.
    """
    for key, value in properties.items():
        field, item = "string_properties", value
        kind = type(value)
        if kind is str:
            pass
        elif kind is float or kind is int:
            field, item = "number_properties", _number(key, value)
        elif kind is bool:
            field = "bool_properties"
        elif value is None:
            continue
        elif kind is list:
            field, item = "list_properties", _texts(key, value)
        elif kind is dict:
            field, item = "time_properties", _time(key, value)
        else:
            raise _refused(key)
        if field in into:
            into[field][key] = item
        else:
            into[field] = {key: item}


def _number(key: str, value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        raise _refused(key) from None


def _texts(key: str, value: list[Any]) -> list[str]:
    for item in value:
        if type(item) is not str:
            raise _refused(key)
    return value


def _time(key: str, value: Mapping[str, Any]) -> int:
    time_ms = value.get("$time")
    # 2**53: beyond it JSON numbers are not exact, and no message field would hold them.
    if len(value) != 1 or type(time_ms) is not int or abs(time_ms) > 1 << 53:
        raise _refused(key)
    return time_ms


def _refused(key: str) -> InvalidInput:
    return InvalidInput(
        "VALUE_INVALID",
        'a value is a text, a number, true or false, a list of texts or {"$time": ms}',
        field=f"properties[{key[:100]}]",
    )
