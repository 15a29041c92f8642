"""Typed values of traits. Numbers are decimals of four places, so that sums are exact."""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from siyu_kit.errors import InvalidInput

PLACES: Final = Decimal("0.0001")
MAX_NUMBER: Final = Decimal("9e14")
MAX_TEXT_BYTES: Final = 8191
MAX_ITEMS: Final = 100
MAX_ITEM_BYTES: Final = 255


@dataclass(frozen=True, slots=True)
class Instant:
    """A point in time, milliseconds UTC."""

    ms: int


TraitValue = str | Decimal | bool | Instant | tuple[str, ...]
"""Text, number, truth value, time, or a list of distinct strings."""


def number(raw: float, field: str) -> Decimal:
    """A finite number rounded to four decimals; InvalidInput for what is none or is too large."""
    if not math.isfinite(raw):
        raise InvalidInput("FIELD_INVALID", "a number must be finite", field=field)
    value = Decimal(repr(raw))
    if abs(value) > MAX_NUMBER:
        raise InvalidInput("FIELD_INVALID", f"|x| is at most {MAX_NUMBER}", field=field)
    return value.quantize(PLACES)


def check_text(text: str, field: str) -> str:
    """The text, if it is not too long."""
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise InvalidInput(
            "FIELD_INVALID", f"a text has at most {MAX_TEXT_BYTES} bytes", field=field
        )
    return text


def check_items(items: tuple[str, ...], field: str) -> tuple[str, ...]:
    """The distinct items in order, if they are not too many or too long."""
    distinct = tuple(dict.fromkeys(items))
    if len(distinct) > MAX_ITEMS or any(len(item.encode()) > MAX_ITEM_BYTES for item in distinct):
        raise InvalidInput(
            "FIELD_INVALID",
            f"a list has at most {MAX_ITEMS} items of at most {MAX_ITEM_BYTES} bytes",
            field=field,
        )
    return distinct
