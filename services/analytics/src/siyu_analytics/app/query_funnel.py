"""Answers a funnel question."""

from typing import Any, NamedTuple

from siyu_analytics.app.asking import Asking, Call
from siyu_analytics.app.ports import Snapshot
from siyu_analytics.domain.binder import Basis, Binder
from siyu_analytics.domain.breakdown import GroupKey, limit_of
from siyu_analytics.domain.funnel import FunnelGroup, FunnelRequest, check_funnel
from siyu_analytics.domain.funnel_plan import funnel_group, funnel_query
from siyu_analytics.domain.periods import Granularity


class FunnelAnswer(NamedTuple):
    """The numbers."""

    request: FunnelRequest
    total: FunnelGroup
    groups: list[FunnelGroup]
    trend: list[FunnelGroup]
    snapshot: Snapshot


class QueryFunnel:
    """The use case."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def __call__(self, call: Call, request: FunnelRequest) -> FunnelAnswer:
        request = request.filled(self._asking.clock.now_ms())
        check_funnel(request)
        scope = request.scope
        basis, snapshot = await self._asking.basis(call, scope.as_of_ms, scope.zone)
        basis = await self._asking.with_types(
            call, basis, lambda draft: funnel_query(draft, request)
        )
        rows = await self._rows(call, basis, request)
        steps = len(request.steps)
        total = funnel_group(rows[0], steps, None)
        groups = [funnel_group(row, steps, place_of(row["place"])) for row in rows[1:]]
        trend = []
        if request.trend is not Granularity.WHOLE:
            for start_ms, asked in request.of_each_period():
                (row,) = await self._asking.rows(funnel_query(Binder(basis), asked), call)
                trend.append(funnel_group(row, steps, None, start_ms))
        return FunnelAnswer(request, total, groups, trend, snapshot)

    async def _rows(self, call: Call, basis: Basis, request: FunnelRequest) -> list[dict[str, Any]]:
        kept = await kept_groups(self._asking, call, basis, request)
        if isinstance(kept, list):
            query = funnel_query(Binder(basis), request, kept)
            return await self._asking.rows(query, call)
        return kept.rows


class Complete(NamedTuple):
    """Rows that hold every group there is."""

    rows: list[dict[str, Any]]


async def kept_groups(
    asking: Asking, call: Call, basis: Basis, request: FunnelRequest
) -> Complete | list[GroupKey]:
    """The answer when all groups are within the limit, else the groups that are kept."""
    rows = await asking.rows(funnel_query(Binder(basis), request), call)
    limit = limit_of(request.breakdown)
    if len(rows) <= limit + 1:
        return Complete(rows)
    return [place_of(row["place"]) for row in rows[1 : limit + 1]]


def place_of(place: Any) -> GroupKey:
    """A group from the engine's tuple of text, missing and, where groups were folded, other."""
    value, *flags = place.values() if isinstance(place, dict) else place
    return GroupKey(str(value), *(bool(flag) for flag in flags))
