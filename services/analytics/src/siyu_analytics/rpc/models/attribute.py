"""QueryAttributes."""

from collections.abc import Sequence
from typing import Any, Final

from siyu.analytics.v1 import attribute_pb2 as pb
from siyu_analytics.app.ask_model import ModelAnswer
from siyu_analytics.domain.attribute import AttributeCell, Attributes, Measure, measured
from siyu_analytics.rpc.enums import known
from siyu_analytics.rpc.mapping import breakdown_from, fill_breakdown, scope_from
from siyu_analytics.rpc.models.model import (
    Mint,
    ModelRpc,
    cell,
    group_from,
    group_or_none,
    row_group,
)

_MEASURES: Final = {
    pb.ATTRIBUTE_MEASURE_UNSPECIFIED: Measure.NONE,
    pb.ATTRIBUTE_MEASURE_DISTINCT: Measure.DISTINCT,
    pb.ATTRIBUTE_MEASURE_SUM: Measure.SUM,
    pb.ATTRIBUTE_MEASURE_AVERAGE: Measure.AVERAGE,
    pb.ATTRIBUTE_MEASURE_MAX: Measure.MAX,
    pb.ATTRIBUTE_MEASURE_MIN: Measure.MIN,
}


def _question(message: pb.QueryAttributesRequest) -> Attributes:
    measure = known(_MEASURES, message.measure, "measure")
    return Attributes(
        scope_from(message.scope, "scope"),
        measure,
        message.measure_trait,
        breakdown_from(message.breakdown),
    )


def _fill(echo: pb.QueryAttributesRequest, asked: Attributes) -> None:
    fill_breakdown(echo, asked.breakdown)


def _respond(answer: ModelAnswer[Attributes], mint: Mint) -> pb.QueryAttributesResponse:
    asked = answer.question
    response = pb.QueryAttributesResponse()
    for row in answer.rows:
        inside = not row["everything"]
        if inside and asked.breakdown is None:
            continue
        group = row_group(row, split=inside)
        persons, valued = row["persons"], row["valued"]
        message = pb.AttributeRow(
            group=group_or_none(group),
            persons=cell(persons, mint(AttributeCell(group, None))),
            valued=cell(valued, mint(AttributeCell(group, valued=True))),
            unvalued=cell(persons - valued, mint(AttributeCell(group, valued=False))),
            measure=measured(asked.measure, row),
        )
        if inside:
            response.rows.append(message)
        else:
            response.total.CopyFrom(message)
    return response


def _cell(values: Sequence[Any]) -> AttributeCell:
    group, valued = values
    return AttributeCell(group_from(group), valued)


RPC: Final = ModelRpc("t", pb.QueryAttributesRequest, _question, _fill, _respond, _cell)
