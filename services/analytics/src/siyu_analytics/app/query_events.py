"""Answers a question about the number of events."""

from typing import NamedTuple

from siyu_analytics.app.asking import Asking, Call
from siyu_analytics.app.ports import Snapshot
from siyu_analytics.app.query_funnel import place_of
from siyu_analytics.domain.binder import Basis, Binder
from siyu_analytics.domain.breakdown import GroupKey
from siyu_analytics.domain.events import (
    EventRow,
    EventsRequest,
    Granularity,
    check_events,
    events_query,
    groups_query,
    measured,
)


class EventsAnswer(NamedTuple):
    """The numbers."""

    request: EventsRequest
    rows: list[EventRow]
    total: EventRow
    snapshot: Snapshot


class QueryEvents:
    """The use case."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def __call__(self, call: Call, request: EventsRequest) -> EventsAnswer:
        request = request.filled(self._asking.clock.now_ms())
        check_events(request)
        scope = request.scope
        basis, snapshot = await self._asking.basis(call, scope.as_of_ms, scope.zone)
        kept = await kept_groups(self._asking, call, basis, request)
        found = await self._asking.rows(events_query(Binder(basis), request, kept), call)
        rows = []
        for row in found:
            split = not row["everything"]
            timed = split and request.granularity is not Granularity.WHOLE
            group = place_of(row["place"]) if split and request.breakdown else None
            measure = measured(request.measure, row["total"], row["valued"])
            time_ms = row["bucket"] if timed else None
            rows.append(EventRow(time_ms, group, row["events"], row["persons"], measure))
        return EventsAnswer(request, rows[1:], rows[0], snapshot)


async def kept_groups(
    asking: Asking, call: Call, basis: Basis, request: EventsRequest
) -> list[GroupKey] | None:
    """The groups that are kept; None when all are."""
    if request.breakdown is None:
        return None
    rows = await asking.rows(groups_query(Binder(basis), request), call)
    groups = [place_of(row["split"]) for row in rows]
    limit = request.breakdown.limit
    return groups[:limit] if len(groups) > limit else None
