"""Periods of a zone, by asking its clock."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from siyu.analytics.v1 import question_pb2 as pb


def period_start(time_ms: int, granularity: int, zone: str) -> int:
    """The start of the hour, day, week or month that a time lies in; 0 without granularity."""
    local = datetime.fromtimestamp(time_ms // 1000, ZoneInfo(zone))
    if granularity == pb.GRANULARITY_UNSPECIFIED:
        return 0
    local = local.replace(minute=0, second=0)
    if granularity != pb.GRANULARITY_HOUR:
        local = local.replace(hour=0)
    if granularity == pb.GRANULARITY_WEEK:
        local -= timedelta(days=local.weekday())
    if granularity == pb.GRANULARITY_MONTH:
        local = local.replace(day=1)
    return int(local.timestamp()) * 1000
