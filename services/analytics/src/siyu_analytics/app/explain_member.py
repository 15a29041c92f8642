"""Says of one person whether a cell has it, what its own answer is, and on which events."""

from dataclasses import replace
from typing import NamedTuple, TypeAlias

from siyu_analytics.app.ask_model import AskModel, ModelAnswer
from siyu_analytics.app.asking import Asking, Call
from siyu_analytics.app.list_members import (
    ListMembers,
    OpenComparison,
    OpenConversion,
    Opened,
    OpenEvents,
    OpenFunnel,
)
from siyu_analytics.app.ports import Snapshot
from siyu_analytics.app.query_conversion import ConversionAnswer, QueryConversion
from siyu_analytics.app.query_events import EventsAnswer, QueryEvents
from siyu_analytics.app.query_funnel import FunnelAnswer, QueryFunnel
from siyu_analytics.domain.binder import Basis, Binder
from siyu_analytics.domain.checks import require
from siyu_analytics.domain.comparison import achievers_query
from siyu_analytics.domain.evidence import MOST, Seen, seen_query
from siyu_analytics.domain.funnel import FunnelRequest
from siyu_analytics.domain.funnel_path import (
    FunnelPath,
    Miss,
    asked_query,
    missed,
    next_query,
    path_query,
)
from siyu_analytics.domain.question import Question

Alone: TypeAlias = EventsAnswer | FunnelAnswer | ConversionAnswer | ModelAnswer[Question] | None
"""A question's answer of one person alone; a comparison has none."""


class MemberExplanation(NamedTuple):
    """How one person stands to a cell."""

    member: bool
    alone: Alone
    seen: list[Seen]
    more: bool
    """Whether it has further events that were looked at."""
    path: FunnelPath | None
    """Of a funnel."""
    snapshot: Snapshot


class ExplainMember:
    """The use case: the statements of the number, with nobody else in sight."""

    def __init__(self, asking: Asking, lister: ListMembers) -> None:
        self._asking = asking
        self._lister = lister
        self._events = QueryEvents(asking)
        self._funnel = QueryFunnel(asking)
        self._conversion = QueryConversion(asking)
        self._model = AskModel(asking)

    async def __call__(
        self, call: Call, opened: Opened, person_no: int, bounds: list[int]
    ) -> MemberExplanation:
        """The call is pinned to the state of the count; ``bounds`` are those of a conversion."""
        require(person_no > 0, "person_no", "above 0")
        scope = opened.scope
        basis, snapshot = await self._asking.basis(call, scope.as_of_ms, scope.zone)
        mine = replace(basis, only_person=person_no)
        binder = Binder(mine)
        member = await self._member(call, basis, binder, opened, person_no)
        query = seen_query(binder)
        rows = await self._asking.rows(query, call) if query else []
        seen = [Seen(row["event_name"], row["ms"], row["message_id"]) for row in rows]
        alone = await self._alone(replace(call, only_person=person_no), opened, bounds)
        path = None
        if isinstance(opened, OpenFunnel):
            path = await self._path(call, mine, opened, person_no)
        return MemberExplanation(member, alone, seen[:MOST], len(seen) > MOST, path, snapshot)

    async def _member(
        self, call: Call, basis: Basis, binder: Binder, opened: Opened, person_no: int
    ) -> bool:
        if isinstance(opened, OpenComparison):
            query = achievers_query(binder, opened.scope, opened.goal)
            achieved = (await self._asking.numbers(query, call))[0]
            given = person_no in self._lister.given_group(opened)
            return given and (not opened.cell.converted or person_no in achieved)
        members = await self._lister.members(call, basis, binder, opened)
        mine = f"person = {binder.number(person_no)}"
        query = binder.query(f"SELECT count() AS number FROM ({members}) WHERE {mine}")
        (row,) = await self._asking.rows(query, call)
        return bool(row["number"])

    async def _alone(self, call: Call, opened: Opened, bounds: list[int]) -> Alone:
        match opened:
            case OpenFunnel():
                return await self._funnel(call, opened.request)
            case OpenEvents():
                return await self._events(call, opened.request)
            case OpenConversion():
                return await self._conversion(call, opened.definition, bounds)
            case OpenComparison():
                return None
            case _:
                return await self._model(call, opened.question)

    async def _path(
        self, call: Call, basis: Basis, opened: OpenFunnel, person_no: int
    ) -> FunnelPath:
        request = opened.request.of_cell(opened.cell)
        rows = await self._asking.rows(path_query(Binder(basis), request), call)
        path = rows[0]["path"] if rows else []
        if not path and not await self._asked(call, basis, request, person_no):
            return FunnelPath([], Miss.NOT_ASKED)
        query = next_query(Binder(basis), request, len(path))
        if query is None:
            return FunnelPath(path, Miss.NONE)
        (row,) = await self._asking.rows(query, call)
        miss = missed(path, row["times"], request.window_ms, request.scope.span)
        return FunnelPath(path, miss)

    async def _asked(
        self, call: Call, basis: Basis, request: FunnelRequest, person_no: int
    ) -> bool:
        query = asked_query(Binder(basis), request, person_no)
        if query is None:
            return True
        (row,) = await self._asking.rows(query, call)
        return bool(row["asked"])
