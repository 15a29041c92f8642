"""Sessions, by walking through a person's events one by one."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from oracle.condition_oracle import is_meant
from oracle.texts import property_text
from siyu.analytics.v1 import session_pb2 as pb


def sessions_of(request: pb.QuerySessionsRequest, events: Sequence[Any]) -> list[list[Any]]:
    """The sessions of a person, each a list of its events."""
    rule, scope = request.rule, request.scope
    seen = [
        e
        for e in events
        if scope.from_time_ms <= e.event_time_ms < scope.to_time_ms
        and e.event_time_ms <= scope.as_of_time_ms
        and e.name not in rule.excluded_names
        and (not rule.events or any(is_meant(e, x) for x in [*rule.events, *rule.starting]))
    ]
    found: list[list[Any]] = []
    source: str | None = None
    for event in sorted(seen, key=lambda e: (e.event_time_ms, e.message_id)):
        value = property_text(event, rule.change_property) if rule.change_property else None
        changed = value is not None and source is not None and value != source
        source = source if value is None else value
        if not found or changed or _cuts(request, found[-1][-1], event):
            found.append([])
        found[-1].append(event)
    return found


def _cuts(request: pb.QuerySessionsRequest, before: Any, event: Any) -> bool:
    rule = request.rule
    gap = event.event_time_ms - before.event_time_ms
    if gap > (rule.timeout_ms or 1_800_000) or any(is_meant(event, x) for x in rule.starting):
        return True
    days = {_day(e.event_time_ms, request.scope.zone) for e in (before, event)}
    return len(days) > 1 and not rule.over_midnight


def _day(time_ms: int, zone: str) -> date:
    return datetime.fromtimestamp(time_ms // 1000, ZoneInfo(zone)).date()


def views_of(request: pb.QuerySessionsRequest, session: Sequence[Any]) -> list[tuple[Any, int]]:
    """The page views of a session, and how long each was looked at."""
    pages = [e for e in session if not request.pages or any(is_meant(e, p) for p in request.pages)]
    until = [e.event_time_ms for e in [*pages[1:], session[-1]]]
    return [(e, end - e.event_time_ms) for e, end in zip(pages, until, strict=False)]
