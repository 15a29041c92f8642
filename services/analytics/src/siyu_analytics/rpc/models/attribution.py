"""QueryAttribution."""

from collections.abc import Sequence
from typing import Any, Final

from siyu.analytics.v1 import attribution_pb2 as pb
from siyu_analytics.app.ask_model import ModelAnswer
from siyu_analytics.app.query_funnel import place_of
from siyu_analytics.domain.attribution import Attribution, AttributionCell, Model
from siyu_analytics.domain.breakdown import GroupKey
from siyu_analytics.domain.measures import decimal_text
from siyu_analytics.rpc.answers import group_message
from siyu_analytics.rpc.conditions import event_from, events_from
from siyu_analytics.rpc.enums import known
from siyu_analytics.rpc.mapping import breakdown_from, fill_breakdown, scope_from
from siyu_analytics.rpc.models.model import Mint, ModelRpc, cell, group_from

_MODELS: Final = {
    pb.ATTRIBUTION_MODEL_UNSPECIFIED: Model.LAST,
    pb.ATTRIBUTION_MODEL_FIRST: Model.FIRST,
    pb.ATTRIBUTION_MODEL_LAST: Model.LAST,
    pb.ATTRIBUTION_MODEL_LINEAR: Model.LINEAR,
    pb.ATTRIBUTION_MODEL_POSITION: Model.POSITION,
    pb.ATTRIBUTION_MODEL_DECAY: Model.DECAY,
}
_UNOWED: Final[dict[str, Any]] = {
    "touches": 0,
    "conversions": 0,
    "persons": 0,
    "credit": "0",
    "amount": "0",
}
"""A kind of touch that no conversion has."""


def _question(message: pb.QueryAttributionRequest) -> Attribution:
    model = known(_MODELS, message.model, "model")
    return Attribution(
        scope_from(message.scope, "scope"),
        event_from(message.target, "target"),
        message.amount_property,
        events_from(message.touches, "touches"),
        message.window_ms,
        model,
        message.half_life_ms,
        breakdown_from(message.breakdown),
        message.same_property,
    )


def _fill(echo: pb.QueryAttributionRequest, asked: Attribution) -> None:
    echo.window_ms = asked.window_ms
    echo.model = echo.model or pb.ATTRIBUTION_MODEL_LAST
    if asked.model is Model.DECAY:
        echo.half_life_ms = asked.half_life_ms
    fill_breakdown(echo, asked.breakdown)


def _respond(answer: ModelAnswer[Attribution], mint: Mint) -> pb.QueryAttributionResponse:
    response = pb.QueryAttributionResponse(amount="0")
    response.direct.credit, response.direct.amount = "0", "0"
    everyone, alone = AttributionCell(None, direct=False), AttributionCell(None, direct=True)
    response.persons.token, response.direct.persons.token = mint(everyone), mint(alone)
    touches: dict[GroupKey, int] = {}
    owed: dict[GroupKey, dict[str, Any]] = {}
    whole = 0
    for row in answer.rows:
        kind = row["kind"]
        if kind == "all":
            whole = int(row["amount"])
            response.conversions, response.amount = row["conversions"], decimal_text(row["amount"])
            response.persons.persons = row["persons"]
        elif kind == "direct":
            response.direct.conversions = row["conversions"]
            response.direct.persons.persons = row["persons"]
            response.direct.credit = decimal_text(row["credit"])
            response.direct.amount = decimal_text(row["amount"])
            response.direct.share = _share(row, whole)
        elif kind == "owed":
            owed[place_of(row["place"])] = row
        else:
            touches[place_of(row["place"])] = row["touches"]
    for group in [*owed, *(other for other in touches if other not in owed)]:
        row = owed.get(group, _UNOWED)
        token = mint(AttributionCell(group, direct=False))
        response.rows.add(
            touch=group_message(group),
            touches=touches.get(group, 0),
            valid_touches=row["touches"],
            conversions=row["conversions"],
            persons=cell(row["persons"], token),
            credit=decimal_text(row["credit"]),
            amount=decimal_text(row["amount"]),
            share=_share(row, whole),
        )
    return response


def _share(row: Any, whole: int) -> float:
    return int(row["amount"]) / whole if whole else 0.0


def _cell(values: Sequence[Any]) -> AttributionCell:
    group, direct = values
    return AttributionCell(group_from(group), direct)


RPC: Final = ModelRpc("a", pb.QueryAttributionRequest, _question, _fill, _respond, _cell)
