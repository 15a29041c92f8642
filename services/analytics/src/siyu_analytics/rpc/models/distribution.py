"""QueryDistribution."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from siyu.analytics.v1 import distribution_pb2 as pb
from siyu_analytics.app.ask_model import ModelAnswer
from siyu_analytics.domain.breakdown import GroupKey
from siyu_analytics.domain.distribution import Distribution, DistributionCell, Measure
from siyu_analytics.domain.measures import decimal_text
from siyu_analytics.rpc.conditions import event_from
from siyu_analytics.rpc.enums import known
from siyu_analytics.rpc.mapping import breakdown_from, fill_breakdown, granularity_from, scope_from
from siyu_analytics.rpc.models.model import (
    Mint,
    ModelRpc,
    cell,
    group_from,
    group_or_none,
    row_group,
)

_MEASURES: Final = {
    pb.DISTRIBUTION_MEASURE_UNSPECIFIED: Measure.TIMES,
    pb.DISTRIBUTION_MEASURE_TIMES: Measure.TIMES,
    pb.DISTRIBUTION_MEASURE_ACTIVE_HOURS: Measure.ACTIVE_HOURS,
    pb.DISTRIBUTION_MEASURE_ACTIVE_DAYS: Measure.ACTIVE_DAYS,
    pb.DISTRIBUTION_MEASURE_SUM: Measure.SUM,
    pb.DISTRIBUTION_MEASURE_AVERAGE: Measure.AVERAGE,
    pb.DISTRIBUTION_MEASURE_MAX: Measure.MAX,
    pb.DISTRIBUTION_MEASURE_MIN: Measure.MIN,
    pb.DISTRIBUTION_MEASURE_DISTINCT: Measure.DISTINCT,
}


def _question(message: pb.QueryDistributionRequest) -> Distribution:
    measure = known(_MEASURES, message.measure, "measure")
    return Distribution(
        scope_from(message.scope, "scope"),
        event_from(message.event, "event"),
        measure,
        message.measure_property,
        granularity_from(message.granularity, "granularity"),
        breakdown_from(message.breakdown),
        tuple(message.bounds),
        message.grid,
    )


def _fill(echo: pb.QueryDistributionRequest, asked: Distribution) -> None:
    echo.measure = echo.measure or pb.DISTRIBUTION_MEASURE_TIMES
    fill_breakdown(echo, asked.breakdown)


def _respond(answer: ModelAnswer[Distribution], mint: Mint) -> pb.QueryDistributionResponse:
    asked = answer.question
    response = pb.QueryDistributionResponse()
    found: dict[tuple[int, GroupKey | None], dict[int, Any]] = defaultdict(dict)
    weights: dict[GroupKey | None, int] = defaultdict(int)
    for row in answer.rows:
        if row["kind"] == "grid":
            token = mint(DistributionCell(0, None, row["slot"], grid=True))
            weekday, hour = divmod(row["slot"], 100)
            persons = cell(row["persons"], token)
            response.grid.add(weekday=weekday, hour=hour, events=row["events"], persons=persons)
            continue
        group = row_group(row, split=asked.breakdown is not None)
        found[row["bucket"], group][row["slot"]] = row
        weights[group] += row["persons"]

    def rank(key: tuple[int, GroupKey | None]) -> tuple[Any, ...]:
        time_ms, group = key
        if group is None:
            return (time_ms,)
        return time_ms, group.other, -weights[group], group.missing, group.value.encode()

    for time_ms, group in sorted(found, key=rank):
        rows = found[time_ms, group]
        persons = sum(row["persons"] for row in rows.values())
        message = response.rows.add(
            time_ms=time_ms,
            group=group_or_none(group),
            persons=persons,
            total=decimal_text(str(sum(int(row["total"]) for row in rows.values()))),
        )
        for slot in _slots(asked, rows):
            own = rows.get(slot, {"persons": 0, "total": "0", "greatest": "0"})
            token = mint(DistributionCell(time_ms, group, slot, grid=False))
            message.buckets.add(
                from_value=asked.edges[slot - 1] if slot else 0.0,
                to_value=asked.edges[slot] if slot < len(asked.edges) else 0.0,
                below=slot == 0,
                above=slot == len(asked.edges),
                persons=cell(own["persons"], token),
                share=own["persons"] / persons,
                total=decimal_text(own["total"]),
                greatest=decimal_text(own["greatest"]),
            )
    return response


def _slots(asked: Distribution, rows: dict[int, Any]) -> list[int]:
    """The buckets that are shown."""
    if not asked.bounds:
        return sorted(rows)
    return [slot for slot in range(len(asked.bounds) + 1) if slot or 0 in rows]


def _cell(values: Sequence[Any]) -> DistributionCell:
    time_ms, group, slot, grid = values
    return DistributionCell(time_ms, group_from(group), slot, grid)


RPC: Final = ModelRpc("d", pb.QueryDistributionRequest, _question, _fill, _respond, _cell)
