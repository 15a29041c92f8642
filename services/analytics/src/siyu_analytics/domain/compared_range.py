"""The range that a result is compared with."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from siyu_analytics.domain.checks import check_time, require
from siyu_analytics.domain.scope import Scope


class Comparison(Enum):
    """Which range; see ``Comparison`` in the contract."""

    NONE = ""
    PREVIOUS = "previous"
    LAST_YEAR = "last_year"
    CUSTOM = "custom"


def compared_scope(scope: Scope, comparison: Comparison, from_ms: int) -> Scope | None:
    """The scope with the other range; None without a comparison."""
    length = scope.to_ms - scope.from_ms
    match comparison:
        case Comparison.NONE:
            return None
        case Comparison.PREVIOUS:
            return replace(scope, from_ms=scope.from_ms - length, to_ms=scope.from_ms)
        case Comparison.CUSTOM:
            return replace(scope, from_ms=from_ms, to_ms=from_ms + length)
        case Comparison.LAST_YEAR:
            ends = (_year_before(scope.from_ms, scope.zone), _year_before(scope.to_ms, scope.zone))
            return replace(scope, from_ms=ends[0], to_ms=ends[1])


def check_comparison(scope: Scope, comparison: Comparison, from_ms: int) -> None:
    """Refuse a range before the beginning of time, and a start that is not asked for."""
    custom = comparison is Comparison.CUSTOM
    require(custom or not from_ms, "compare_from_time_ms", "0 unless the range is CUSTOM")
    compared = compared_scope(scope, comparison, from_ms)
    if compared is not None:
        field = "compare_from_time_ms" if custom else "comparison"
        check_time(compared.from_ms, field)
        check_time(compared.to_ms, field)
        require(compared.from_ms < compared.to_ms, field, "a range that is not empty")


def _year_before(time_ms: int, zone: str) -> int:
    start = datetime.fromtimestamp(0, UTC)
    local = (start + timedelta(milliseconds=time_ms)).astimezone(ZoneInfo(zone))
    day = 28 if (local.month, local.day) == (2, 29) else local.day
    earlier = local.replace(year=local.year - 1, day=day)
    return round(earlier.timestamp() * 1000)
