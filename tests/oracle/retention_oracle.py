"""Retention, one person, one cohort and one period at a time."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from oracle.condition_oracle import is_meant
from siyu.analytics.v1 import question_pb2
from siyu.analytics.v1 import retention_pb2 as pb

Days = tuple[date, date]
"""First day of a period and the first one after it."""


def period_of(time_ms: int, granularity: int, zone: str) -> Days:
    """The days of the period that a time lies in."""
    return _around(datetime.fromtimestamp(time_ms // 1000, ZoneInfo(zone)).date(), granularity)


def _around(day: date, granularity: int) -> Days:
    if granularity == question_pb2.GRANULARITY_WEEK:
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=7)
    if granularity == question_pb2.GRANULARITY_MONTH:
        first = day.replace(day=1)
        return first, (first + timedelta(days=31)).replace(day=1)
    return day, day + timedelta(days=1)


def after(period: Days, number: int, granularity: int) -> Days:
    """The period so many after another."""
    for _ in range(number):
        period = _around(period[1], granularity)
    return period


def start_ms(period: Days, zone: str) -> int:
    """When a period begins."""
    first = period[0]
    return int(
        datetime(first.year, first.month, first.day, tzinfo=ZoneInfo(zone)).timestamp() * 1000
    )


def cohorts_of(request: pb.QueryRetentionRequest, events: Sequence[Any]) -> set[Days]:
    """The periods in which a person has an initial event of the range."""
    scope = request.scope
    return {
        period_of(e.event_time_ms, request.granularity, scope.zone)
        for e in events
        if scope.from_time_ms <= e.event_time_ms < scope.to_time_ms
        and e.event_time_ms <= scope.as_of_time_ms
        and _any(e, request.initial)
    }


def retained(
    request: pb.QueryRetentionRequest, events: Sequence[Any], cohort: Days, number: int
) -> bool:
    """Whether a person of a cohort is retained in a period after it."""
    if request.mode == pb.RETENTION_MODE_NTH_OR_LATER:
        return any(_came(request, events, cohort, n) for n in range(number, request.periods + 1))
    if request.mode == pb.RETENTION_MODE_CONSECUTIVE and number:
        return all(_came(request, events, cohort, n) for n in range(1, number + 1))
    return _came(request, events, cohort, number)


def _came(
    request: pb.QueryRetentionRequest, events: Sequence[Any], cohort: Days, number: int
) -> bool:
    own = inside(request, events, after(cohort, number, request.granularity))
    back = [e for e in own if _any(e, request.returning)]
    if number:
        return bool(back)
    scope = request.scope
    first = [e for e in own if _any(e, request.initial)]
    ranged = [e for e in first if scope.from_time_ms <= e.event_time_ms < scope.to_time_ms]
    either = {e.message_id for e in [*ranged, *back]}
    return bool(ranged) and bool(back) and len(either) > 1


def inside(request: pb.QueryRetentionRequest, events: Sequence[Any], period: Days) -> list[Any]:
    """The events of a period that are seen."""
    scope = request.scope
    return [
        e
        for e in events
        if e.event_time_ms <= scope.as_of_time_ms
        and period_of(e.event_time_ms, request.granularity, scope.zone) == period
    ]


def metric(request: pb.QueryRetentionRequest, events: Sequence[Any], period: Days) -> Decimal:
    """What is measured of a person in a period."""
    own = [e for e in inside(request, events, period) if is_meant(e, request.metric_event)]
    if not request.metric_property:
        return Decimal(len(own))
    name = request.metric_property
    return sum(
        (Decimal(str(e.number_properties[name])) for e in own if name in e.number_properties),
        Decimal(0),
    )


def _any(event: Any, wanted: Sequence[Any]) -> bool:
    return any(is_meant(event, item) for item in wanted)
