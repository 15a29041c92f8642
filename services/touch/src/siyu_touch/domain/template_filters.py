"""The filters of the template language: each gives a text not much longer than its input."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Undefined

_ZONE: Final = ZoneInfo("Asia/Shanghai")
_DECIMALS: Final = 4


def shown(value: Any) -> Any:
    """How a value appears in a text: whole numbers without a point, lists with commas."""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{value:.{_DECIMALS}f}".rstrip("0")
    if isinstance(value, tuple | list):
        return "、".join(map(str, value))
    return value


def _default(value: Any, fallback: Any) -> Any:
    return fallback if isinstance(value, Undefined) else value


def _length(value: Any) -> int:
    return len(value)


def _round(value: float, digits: int = 0) -> float:
    return round(float(value), max(0, min(digits, _DECIMALS)))


def _truncate(value: Any, length: int) -> str:
    text = str(shown(value))
    return text if len(text) <= length else text[: max(0, length - 1)] + "…"


def _money(value: float) -> str:
    return f"{value:,.2f}"


def _date(value: int) -> str:
    return datetime.fromtimestamp(value / 1000, UTC).astimezone(_ZONE).strftime("%Y-%m-%d")


def _time(value: int) -> str:
    return datetime.fromtimestamp(value / 1000, UTC).astimezone(_ZONE).strftime("%Y-%m-%d %H:%M")


def _upper(value: Any) -> str:
    return str(shown(value)).upper()


def _lower(value: Any) -> str:
    return str(shown(value)).lower()


def _trim(value: Any) -> str:
    return str(shown(value)).strip()


FILTERS: Final[Mapping[str, Callable[..., Any]]] = MappingProxyType(
    {
        "date": _date,
        "default": _default,
        "length": _length,
        "lower": _lower,
        "money": _money,
        "round": _round,
        "time": _time,
        "trim": _trim,
        "truncate": _truncate,
        "upper": _upper,
    }
)
"""Name -> filter; ``default`` alone may be given a trait without a value."""
