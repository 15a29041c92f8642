"""From the contract's enums to the domain's."""

from collections.abc import Mapping
from typing import Any, TypeVar

from siyu_analytics.domain.checks import refuse

V = TypeVar("V")


def known(values: Mapping[Any, V], number: int, field: str, *, what: str = "") -> V:
    """The value that a number stands for; refuses a number that stands for none of them."""
    value = values.get(number)
    if value is None:
        refuse(field, f"a known {what or field}")
    return value
