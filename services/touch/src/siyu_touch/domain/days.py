"""Quiet hours and calendar days of a zone."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from siyu_kit.zones import is_zone
from siyu_touch.domain.checks import require

DEFAULT_ZONE: Final = "Asia/Shanghai"
MINUTES_A_DAY: Final = 1_440


@dataclass(frozen=True)
class QuietHours:
    """Minutes of the day, half-open; the end is smaller when they run over midnight."""

    from_minute: int
    to_minute: int


def check_zone(name: str) -> str:
    """The zone, by default Shanghai; ``InvalidInput`` for an unknown one."""
    zone = name or DEFAULT_ZONE
    require(is_zone(zone), "campaign.zone", "there is no such zone")
    return zone


def quiet_until(now_ms: int, quiet: QuietHours | None, zone: str) -> int | None:
    """When the quiet hours that ``now_ms`` lies in end, milliseconds UTC; None outside of them.

    They are those of the clock on the wall: a minute that it shows twice, at the end of summer
    time, is quiet both times, and the end that is yet to come counts.
    """
    if quiet is None:
        return None
    now = _local(now_ms, zone)
    minute = now.hour * 60 + now.minute
    start, end = quiet.from_minute, quiet.to_minute
    over_midnight = start > end
    inside = minute >= start or minute < end if over_midnight else start <= minute < end
    if not inside:
        return None
    day = now.date() + timedelta(days=int(over_midnight and minute >= start))
    first = datetime.combine(day, time(end // 60, end % 60), ZoneInfo(zone))
    until_ms = _ms(first)
    return until_ms if until_ms > now_ms else _ms(first.replace(fold=1))


def window_start_ms(now_ms: int, days: int, zone: str) -> int:
    """Start of the first of ``days`` calendar days, of which the last is the present one."""
    day = _local(now_ms, zone).date() - timedelta(days=days - 1)
    return _ms(datetime.combine(day, time(), ZoneInfo(zone)))


def day_number(now_ms: int, zone: str) -> int:
    """The calendar day as a number that grows by one a day."""
    return _local(now_ms, zone).date().toordinal()


def _local(at_ms: int, zone: str) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo(zone))


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
