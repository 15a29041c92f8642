"""Answers a question about the number of events."""

from collections import defaultdict
from typing import NamedTuple

from siyu_analytics.app.asking import Asking, Call
from siyu_analytics.app.ports import Snapshot
from siyu_analytics.app.query_funnel import place_of
from siyu_analytics.domain.binder import Basis, Binder
from siyu_analytics.domain.breakdown import GroupKey
from siyu_analytics.domain.compared_range import Comparison
from siyu_analytics.domain.events import (
    MAX_ROWS,
    EventRow,
    EventsRequest,
    check_events,
    events_query,
    groups_query,
)
from siyu_analytics.domain.measures import measured
from siyu_analytics.domain.periods import Granularity


class EventsAnswer(NamedTuple):
    """The numbers."""

    request: EventsRequest
    rows: list[EventRow]
    total: EventRow
    compared: list[EventRow]
    """The total and the rows of the range that is compared with; empty without one."""
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
        basis = await self._asking.with_types(
            call, basis, lambda draft: events_query(draft, request)
        )
        rows, kept = await self._first(call, basis, request)
        compared: list[EventRow] = []
        if request.compared is not None:
            compared = await event_rows(self._asking, call, basis, request.compared, kept)
        return EventsAnswer(request, rows[1:], rows[0], compared, snapshot)

    async def _first(
        self, call: Call, basis: Basis, request: EventsRequest
    ) -> tuple[list[EventRow], list[GroupKey] | None]:
        """The rows with all groups if they are few, else those that are kept and the rest."""
        rows = await event_rows(self._asking, call, basis, request, None, most=MAX_ROWS + 1)
        if request.breakdown is None:
            return rows, None
        groups = _ranked(rows[1:])
        if len(rows) <= MAX_ROWS and len(groups) <= request.breakdown.limit:
            beside = request.comparison is not Comparison.NONE
            return rows, groups if beside else None
        kept = await kept_groups(self._asking, call, basis, request)
        return await event_rows(self._asking, call, basis, request, kept), kept


def _ranked(rows: list[EventRow]) -> list[GroupKey]:
    """The groups of rows by number of events, as ``groups_query`` ranks them."""
    counts: dict[GroupKey, int] = defaultdict(int)
    for row in rows:
        if row.group is not None:
            counts[row.group] += row.events
    return sorted(counts, key=lambda g: (-counts[g], g.missing, g.value.encode()))


async def kept_groups(
    asking: Asking, call: Call, basis: Basis, request: EventsRequest
) -> list[GroupKey] | None:
    """The groups that are kept; None when all are."""
    if request.breakdown is None:
        return None
    rows = await asking.rows(groups_query(Binder(basis), request), call)
    groups = [place_of(row["split"]) for row in rows]
    limit = request.breakdown.limit
    # Beside another range the groups of this one are kept, so that both have the same.
    beside = request.comparison is not Comparison.NONE
    return groups[:limit] if beside or len(groups) > limit else None


async def event_rows(
    asking: Asking,
    call: Call,
    basis: Basis,
    request: EventsRequest,
    kept: list[GroupKey] | None,
    *,
    most: int = 0,
) -> list[EventRow]:
    """The total, and the rows below it."""
    found = await asking.rows(events_query(Binder(basis), request, kept, most), call)
    rows = []
    for row in found:
        split = not row["everything"]
        timed = split and request.granularity is not Granularity.WHOLE
        group = place_of(row["place"]) if split and request.breakdown else None
        measure = measured(request.measure, row)
        time_ms = row["bucket"] if timed else None
        rows.append(EventRow(time_ms, group, row["events"], row["persons"], measure))
    return rows
