"""What the vendors' JSON records share: reading loosely typed fields, and ids made of content."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from siyu_kit.crypto import sm3
from siyu_kit.errors import InvalidInput

_MAX_MS: Final = 1 << 53


def as_object(value: Any, field: str) -> Mapping[str, Any]:
    """An object; absent or null is an empty one. Raises InvalidInput (RECORD_INVALID)."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid(field, "the field is an object")
    return value


def as_text(value: Any, field: str) -> str:
    """A text; a whole number as its digits, absent or null as "". Raises InvalidInput."""
    if value is None:
        return ""
    if type(value) is int:
        return str(value)
    if not isinstance(value, str):
        raise invalid(field, "the field is a text")
    return value


def as_time_ms(value: Any, field: str) -> int:
    """Milliseconds; absent or null as 0. Raises InvalidInput."""
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _MAX_MS:
        raise invalid(field, "the field is a number of milliseconds")
    return int(value)


def content_id(*parts: str) -> str:
    """A message id made of what tells a record from others; it reveals none of it."""
    return sm3("\x1f".join(parts).encode("utf-8", "surrogatepass")).hex()


def texts_from(source: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    """The texts of ``source`` under new names; whatever is no text, or empty, is left out."""
    found = {}
    for name, new in names.items():
        value = source.get(name)
        if isinstance(value, str) and value:
            found[new] = value
    return found


def invalid(field: str, problem: str) -> InvalidInput:
    """The refusal of a record whose form is wrong."""
    return InvalidInput("RECORD_INVALID", problem, field=field)


Digest = Callable[[Any], str]
"""Makes a message id of a whole record."""
