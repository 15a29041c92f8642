"""Windows of event time: half-open, the rolling ones aligned to hours and days of a zone."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from siyu_analytics.domain.checks import MAX_TIME_MS, check_time, refuse, require
from siyu_kit.zones import is_zone

HOUR_MS: Final = 3_600_000
DEFAULT_ZONE: Final = "Asia/Shanghai"
_MAX_UNITS: Final = 3_650


class Span(NamedTuple):
    """From `low` up to but not including `high`, milliseconds UTC."""

    low: int
    high: int

    def until(self, as_of_ms: int) -> "Span":
        """Cut so that nothing after the given time is seen; empty when nothing is left."""
        return Span(self.low, max(self.low, min(self.high, as_of_ms + 1)))


ALL_TIME: Final = Span(0, MAX_TIME_MS + 1)


class Unit(Enum):
    """Unit of a rolling window."""

    HOUR = "hour"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Rolling:
    """The last n hours or days of the zone, the present one included."""

    units: int
    unit: Unit


@dataclass(frozen=True, slots=True)
class Absolute:
    """A fixed range."""

    span: Span


Window: TypeAlias = Rolling | Absolute | None
"""None: everything up to as_of."""


def check_window(window: Window, field: str) -> None:
    """Refuse a window that is malformed."""
    match window:
        case Rolling(units, _):
            require(1 <= units <= _MAX_UNITS, f"{field}.rolling.units", f"1 to {_MAX_UNITS}")
        case Absolute(span):
            check_time(span.low, f"{field}.absolute.from_time_ms")
            check_time(span.high, f"{field}.absolute.to_time_ms")
            require(span.low < span.high, f"{field}.absolute", "from before to")
        case None:
            pass


def window_span(window: Window, as_of_ms: int, zone: str) -> Span:
    """The range of event time that a window means at a time in a zone."""
    match window:
        case Rolling(units, unit):
            return Span(_rolled(units, unit, as_of_ms, zone), as_of_ms + 1)
        case Absolute(span):
            return span.until(as_of_ms)
        case None:
            return ALL_TIME.until(as_of_ms)


def _rolled(units: int, unit: Unit, as_of_ms: int, zone: str) -> int:
    local = (datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=as_of_ms)).astimezone(
        ZoneInfo(zone)
    )
    if unit is Unit.DAY:
        day = local.date() - timedelta(days=units - 1)
        start = datetime(day.year, day.month, day.day, tzinfo=local.tzinfo)
        return max(0, round(start.timestamp() * 1000))
    # An hour starts where the zone's clock shows full minutes, also in zones off by half an hour.
    into = local.minute * 60_000 + local.second * 1000 + local.microsecond // 1000
    return max(0, as_of_ms - into - (units - 1) * HOUR_MS)


def check_zone(zone: str, field: str) -> None:
    """Refuse what is not the name of an IANA zone."""
    if not is_zone(zone):
        refuse(field, "an IANA zone")
