"""QueryRetention."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from siyu.analytics.v1 import question_pb2
from siyu.analytics.v1 import retention_pb2 as pb
from siyu_analytics.app.ask_model import ModelAnswer
from siyu_analytics.domain.breakdown import GroupKey
from siyu_analytics.domain.measures import decimal_text
from siyu_analytics.domain.periods import start_of
from siyu_analytics.domain.retention import Mode, Retention, RetentionCell
from siyu_analytics.rpc.conditions import event_from, events_from
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

_MODES: Final = {
    pb.RETENTION_MODE_UNSPECIFIED: Mode.NTH,
    pb.RETENTION_MODE_NTH: Mode.NTH,
    pb.RETENTION_MODE_NTH_OR_LATER: Mode.NTH_OR_LATER,
    pb.RETENTION_MODE_CONSECUTIVE: Mode.CONSECUTIVE,
}


def _question(message: pb.QueryRetentionRequest) -> Retention:
    mode = known(_MODES, message.mode, "mode")
    metric = message.metric_event if message.HasField("metric_event") else None
    return Retention(
        scope_from(message.scope, "scope"),
        events_from(message.initial, "initial"),
        events_from(message.returning, "returning"),
        granularity_from(message.granularity, "granularity"),
        message.periods,
        mode,
        breakdown_from(message.breakdown),
        event_from(metric, "metric_event") if metric is not None else None,
        message.metric_property,
    )


def _fill(echo: pb.QueryRetentionRequest, asked: Retention) -> None:
    echo.granularity = echo.granularity or question_pb2.GRANULARITY_DAY
    echo.periods = asked.periods
    echo.mode = echo.mode or pb.RETENTION_MODE_NTH
    fill_breakdown(echo, asked.breakdown)


def _respond(answer: ModelAnswer[Retention], mint: Mint) -> pb.QueryRetentionResponse:
    asked = answer.question
    found: dict[tuple[int, GroupKey | None], dict[int, Any]] = defaultdict(dict)
    for row in answer.rows:
        group = row_group(row, split=asked.breakdown is not None)
        found[row["cohort"], group][row["n"]] = row
    weights: dict[GroupKey | None, int] = defaultdict(int)
    for (_, group), rows in found.items():
        weights[group] += rows[-1]["persons"]
    order = sorted(found, key=lambda key: (key[0], *_rank(key[1], weights)))
    response = pb.QueryRetentionResponse()
    totals = [pb.RetentionTotal() for _ in range(asked.periods + 1)]
    for cohort, group in order:
        rows = found[cohort, group]
        persons = rows[-1]["persons"]
        message = response.cohorts.add(
            time_ms=start_of(cohort, asked.granularity, asked.scope.zone),
            group=group_or_none(group),
            persons=cell(persons, mint(RetentionCell(cohort, group, -1, lost=False))),
        )
        for n, total in enumerate(totals):
            retained = rows[n]["persons"] if n in rows else 0
            metric = decimal_text(rows[n]["metric"] if n in rows else "0")
            finished = asked.ended(cohort, n)
            message.points.add(
                retained=cell(retained, mint(RetentionCell(cohort, group, n, lost=False))),
                lost=cell(persons - retained, mint(RetentionCell(cohort, group, n, lost=True))),
                rate=retained / persons,
                finished=finished,
                metric=metric if asked.metric_event else "",
            )
            if finished:
                total.persons += persons
                total.retained += retained
    for total in totals:
        total.rate = total.retained / total.persons if total.persons else 0.0
    response.totals.extend(totals)
    return response


def _rank(group: GroupKey | None, weights: dict[GroupKey | None, int]) -> tuple[Any, ...]:
    if group is None:
        return ()
    return group.other, -weights[group], group.missing, group.value.encode()


def _cell(values: Sequence[Any]) -> RetentionCell:
    cohort, group, period, lost = values
    return RetentionCell(cohort, group_from(group), period, lost)


RPC: Final = ModelRpc("r", pb.QueryRetentionRequest, _question, _fill, _respond, _cell)
