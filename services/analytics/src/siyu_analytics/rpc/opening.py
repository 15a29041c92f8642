"""From a cell token back to the question and the cell that it names."""

from typing import Any

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu_analytics.app.compare_groups import ComparedCell
from siyu_analytics.app.list_members import (
    OpenComparison,
    OpenConversion,
    Opened,
    OpenEvents,
    OpenFunnel,
    OpenModel,
)
from siyu_analytics.domain.breakdown import GroupKey
from siyu_analytics.domain.conversion import ConversionCell
from siyu_analytics.domain.events import EventsCell
from siyu_analytics.domain.funnel import FunnelCell
from siyu_analytics.rpc.conditions import event_from
from siyu_analytics.rpc.mapping import (
    definition_from,
    events_request_from,
    funnel_request_from,
    scope_from,
)
from siyu_analytics.rpc.models.asked import MODELS
from siyu_analytics.rpc.tokens import CellToken, invalid_cell

FUNNEL, EVENTS, CONVERSION, COMPARISON = "f", "e", "c", "g"


def opened(token: CellToken, project_id: str) -> Opened:
    """The cell; InvalidInput (CELL_TOKEN_INVALID) for one of another project."""
    if token.kind in MODELS:
        rpc = MODELS[token.kind]
        asked = rpc.request.FromString(token.question)
        _of_project(asked.project_id, project_id)
        cell = rpc.cell_from(token.cell)
        group = getattr(cell, "group", None)
        other = getattr(cell, "folded", group is not None and group.other)
        return OpenModel(rpc.question_from(asked), cell, other)
    match token.kind:
        case "f":
            funnel = pb.QueryFunnelRequest.FromString(token.question)
            _of_project(funnel.project_id, project_id)
            step, lost, group, period_ms, bounds = token.cell
            bucket = (bounds[0], bounds[1]) if bounds else None
            cell = FunnelCell(step, lost, _group(group), period_ms, bucket)
            return OpenFunnel(funnel_request_from(funnel), cell)
        case "e":
            events = pb.QueryEventsRequest.FromString(token.question)
            _of_project(events.project_id, project_id)
            time_ms, group, compared = token.cell
            row = EventsCell(time_ms, _group(group), compared)
            return OpenEvents(events_request_from(events), row)
        case "c":
            conversion = pb.QueryConversionRequest.FromString(token.question)
            _of_project(conversion.project_id, project_id)
            definition = definition_from(conversion.definition)
            return OpenConversion(definition, ConversionCell(*token.cell))
        case _:
            comparison = pb.CompareGroupsRequest.FromString(token.question)
            _of_project(comparison.project_id, project_id)
            scope = scope_from(comparison.scope, "scope")
            goal = event_from(comparison.goal, "goal")
            return OpenComparison(scope, goal, ComparedCell(*token.cell))


def _group(group: Any) -> GroupKey | None:
    return None if group is None else GroupKey(*group)


def _of_project(theirs: str, ours: str) -> None:
    if theirs != ours:
        raise invalid_cell()
