"""Intervals, by looking back from every goal."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from oracle.condition_oracle import is_meant
from siyu.analytics.v1 import interval_pb2 as pb


class Found(NamedTuple):
    """One interval: when it started, how long it took, the start event."""

    start_ms: int
    took_ms: int
    event: Any


def intervals_of(request: pb.QueryIntervalRequest, events: Sequence[Any]) -> list[Found]:
    """The intervals of a person."""
    scope = request.scope
    seen = [e for e in events if e.event_time_ms <= scope.as_of_time_ms]
    starts = {e.event_time_ms for e in seen if is_meant(e, request.start)}
    goals = {e.event_time_ms for e in seen if is_meant(e, request.goal)}
    found = []
    for goal in sorted(goals):
        before = [t for t in starts if t < goal]
        if not before:
            continue
        start = max(before)
        between = any(start < other < goal for other in goals)
        ranged = scope.from_time_ms <= start < scope.to_time_ms
        if ranged and not between and goal - start <= request.limit_ms:
            own = [e for e in seen if e.event_time_ms == start and is_meant(e, request.start)]
            found.append(Found(start, goal - start, min(own, key=lambda e: e.message_id)))
    return found
