"""QueryHeatmap."""

from collections.abc import Sequence
from typing import Any, Final

from siyu.analytics.v1 import heatmap_pb2 as pb
from siyu_analytics.app.ask_model import ModelAnswer
from siyu_analytics.app.query_funnel import place_of
from siyu_analytics.domain.heatmap import Heatmap, HeatmapCell, Names
from siyu_analytics.rpc.answers import group_message
from siyu_analytics.rpc.conditions import events_from
from siyu_analytics.rpc.mapping import scope_from
from siyu_analytics.rpc.models.model import Mint, ModelRpc, cell, group_from


def _question(message: pb.QueryHeatmapRequest) -> Heatmap:
    return Heatmap(
        scope_from(message.scope, "scope"),
        events_from(message.clicks, "clicks"),
        events_from(message.visits, "visits"),
        Names(
            message.x_property,
            message.y_property,
            message.tag_property,
            message.element_property,
            message.link_property,
            message.depth_property,
        ),
        message.points,
    )


def _fill(echo: pb.QueryHeatmapRequest, asked: Heatmap) -> None:
    echo.points = asked.points
    for field, name in zip(Names._fields, asked.names, strict=True):
        setattr(echo, f"{field}_property", name)


def _respond(answer: ModelAnswer[Heatmap], mint: Mint) -> pb.QueryHeatmapResponse:
    (row,) = answer.rows
    clicked, visits = row["element_clicks"], row["visits"]
    response = pb.QueryHeatmapResponse(clicks=row["clicks"], element_clicks=clicked, visits=visits)
    for x, y in zip(row["across"], row["down"], strict=True):
        response.points.add(x=x, y=y)
    for item in row["elements"]:
        split, number, people = _plain(item)
        group = place_of(split)
        response.elements.add(
            element=group_message(group),
            clicks=number,
            share=number / clicked,
            persons=cell(people, mint(HeatmapCell(group, 0))),
        )
    for item in row["depths"] if visits else []:
        depth, number, people = _plain(item)
        response.depths.add(
            depth=depth,
            visits=number,
            share=number / visits,
            persons=cell(people, mint(HeatmapCell(None, depth))),
        )
    return response


def _plain(value: Any) -> list[Any]:
    return list(value.values() if isinstance(value, dict) else value)


def _cell(values: Sequence[Any]) -> HeatmapCell:
    group, depth = values
    return HeatmapCell(group_from(group), depth)


RPC: Final = ModelRpc("h", pb.QueryHeatmapRequest, _question, _fill, _respond, _cell)
