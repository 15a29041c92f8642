"""QueryInterval."""

from collections.abc import Sequence
from typing import Any, Final

from siyu.analytics.v1 import interval_pb2 as pb
from siyu_analytics.app.ask_model import ModelAnswer
from siyu_analytics.domain.interval import Interval, IntervalCell
from siyu_analytics.domain.periods import Granularity
from siyu_analytics.rpc.conditions import event_from
from siyu_analytics.rpc.mapping import breakdown_from, fill_breakdown, granularity_from, scope_from
from siyu_analytics.rpc.models.model import (
    Mint,
    ModelRpc,
    cell,
    group_from,
    group_or_none,
    row_group,
)


def _question(message: pb.QueryIntervalRequest) -> Interval:
    return Interval(
        scope_from(message.scope, "scope"),
        event_from(message.start, "start"),
        event_from(message.goal, "goal"),
        message.limit_ms,
        granularity_from(message.granularity, "granularity"),
        breakdown_from(message.breakdown),
        tuple(message.bounds_ms),
    )


def _fill(echo: pb.QueryIntervalRequest, asked: Interval) -> None:
    echo.limit_ms = asked.limit_ms
    fill_breakdown(echo, asked.breakdown)


def _respond(answer: ModelAnswer[Interval], mint: Mint) -> pb.QueryIntervalResponse:
    asked = answer.question
    timed = asked.granularity is not Granularity.WHOLE
    response = pb.QueryIntervalResponse()
    for row in answer.rows:
        if row["everything"] and not row["intervals"]:
            continue
        inside = not row["everything"]
        group = row_group(row, split=inside and asked.breakdown is not None)
        time_ms = row["bucket"] if inside and timed else None
        message = response.rows.add() if inside else response.total
        quarters = row["quarters"]
        message.MergeFrom(
            pb.IntervalRow(
                time_ms=time_ms or 0,
                group=group_or_none(group),
                intervals=row["intervals"],
                persons=cell(row["persons"], mint(IntervalCell(time_ms, group, None))),
                min_ms=row["least"],
                quarter_ms=quarters[0],
                median_ms=quarters[1],
                three_quarters_ms=quarters[2],
                max_ms=row["most"],
                mean_ms=row["mean"],
            )
        )
        for place, bounds in enumerate(asked.buckets):
            token = mint(IntervalCell(time_ms, group, bounds))
            message.histogram.add(
                from_ms=bounds[0],
                to_ms=bounds[1],
                intervals=row["by_intervals"][place],
                persons=cell(row["by_persons"][place], token),
            )
    return response


def _cell(values: Sequence[Any]) -> IntervalCell:
    time_ms, group, bounds = values
    return IntervalCell(time_ms, group_from(group), (bounds[0], bounds[1]) if bounds else None)


RPC: Final = ModelRpc("i", pb.QueryIntervalRequest, _question, _fill, _respond, _cell)
