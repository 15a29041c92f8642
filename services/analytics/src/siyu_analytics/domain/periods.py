"""Periods of a zone's calendar: hours, days, weeks from Monday on, months."""

from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

HOUR_MS: Final = 3_600_000
_EPOCH: Final = date(1970, 1, 1)
_MONDAY: Final = 3
"""Days from the Monday before the epoch to the epoch."""


class Granularity(Enum):
    """Split over time; the value is the least length in milliseconds, 0 for no split."""

    WHOLE = 0
    HOUR = HOUR_MS
    DAY = 23 * HOUR_MS
    WEEK = 167 * HOUR_MS
    MONTH = 671 * HOUR_MS


class Period(NamedTuple):
    """From its start up to but not including its end, milliseconds UTC."""

    start_ms: int
    end_ms: int


def period_at(time_ms: int, granularity: Granularity, zone: str) -> Period:
    """The period that a time lies in."""
    local = (datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=time_ms)).astimezone(
        ZoneInfo(zone)
    )
    if granularity is Granularity.HOUR:
        # An hour starts where the zone's clock shows full minutes.
        into = local.minute * 60_000 + local.second * 1000 + local.microsecond // 1000
        return Period(time_ms - into, time_ms - into + HOUR_MS)
    day = local.date()
    if granularity is Granularity.WEEK:
        day -= timedelta(days=day.weekday())
    days = {Granularity.WEEK: 7}.get(granularity, 1)
    if granularity is Granularity.MONTH:
        day = day.replace(day=1)
        days = ((day + timedelta(days=31)).replace(day=1) - day).days
    after = day + timedelta(days=days)
    start, end = (
        round(datetime(d.year, d.month, d.day, tzinfo=local.tzinfo).timestamp() * 1000)
        for d in (day, after)
    )
    return Period(start, end)


def periods(
    from_ms: int, to_ms: int, granularity: Granularity, zone: str, most: int = 10_000
) -> list[Period]:
    """The periods that a range meets, at most one more than ``most`` of them."""
    found: list[Period] = []
    time_ms = from_ms
    while time_ms < to_ms and len(found) <= most:
        found.append(period_at(time_ms, granularity, zone))
        time_ms = found[-1].end_ms
    return found


def index_of(time_ms: int, granularity: Granularity, zone: str) -> int:
    """The number of the day, week or month that a time lies in; neighbours differ by one."""
    start = period_at(time_ms, granularity, zone).start_ms
    local = datetime.fromtimestamp(start // 1000, ZoneInfo(zone)).date()
    days = (local - _EPOCH).days
    if granularity is Granularity.MONTH:
        return local.year * 12 + local.month
    return (days + _MONDAY) // 7 if granularity is Granularity.WEEK else days


def start_of(index: int, granularity: Granularity, zone: str) -> int:
    """The start of the period with a number, milliseconds UTC."""
    if granularity is Granularity.MONTH:
        year, month = divmod(index - 1, 12)
        day = date(year, month + 1, 1)
    else:
        days = index * 7 - _MONDAY if granularity is Granularity.WEEK else index
        day = _EPOCH + timedelta(days=days)
    local = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    return round(local.timestamp() * 1000)


def index_sql(granularity: Granularity, zone: str, time: str = "time") -> str:
    """SQL: ``index_of`` a time; ``zone`` is a bound value."""
    match granularity:
        case Granularity.WEEK:
            return f"intDiv(toInt32(toMonday({time}, {zone})) + {_MONDAY}, 7)"
        case Granularity.MONTH:
            return f"toInt32(toYear({time}, {zone})) * 12 + toMonth({time}, {zone})"
        case _:
            return f"toInt32(toDate({time}, {zone}))"


def bucket_sql(granularity: Granularity, zone: str, time: str = "time") -> str:
    """SQL: the start of the period of a time, milliseconds UTC; ``zone`` is a bound value."""
    starts = {
        Granularity.HOUR: f"toUnixTimestamp(toStartOfHour({time}, {zone}))",
        Granularity.DAY: f"toUnixTimestamp(toStartOfDay({time}, {zone}))",
        Granularity.WEEK: f"toUnixTimestamp(toDateTime(toMonday({time}, {zone}), {zone}))",
        Granularity.MONTH: f"toUnixTimestamp(toDateTime(toStartOfMonth({time}, {zone}), {zone}))",
    }
    if granularity is Granularity.WHOLE:
        return "toInt64(0)"
    return f"toInt64({starts[granularity]}) * 1000"
