"""QueryLtv."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final

from siyu.analytics.v1 import ltv_pb2 as pb
from siyu.analytics.v1 import question_pb2
from siyu_analytics.app.ask_model import ModelAnswer
from siyu_analytics.domain.breakdown import GroupKey
from siyu_analytics.domain.ltv import Ltv, LtvCell, Term, revenue_of
from siyu_analytics.domain.periods import start_of
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


def _question(message: pb.QueryLtvRequest) -> Ltv:
    terms = (
        Term(event_from(term.event, f"revenue[{place}].event"), term.property, term.factor)
        for place, term in enumerate(message.revenue)
    )
    return Ltv(
        scope_from(message.scope, "scope"),
        event_from(message.cohort, "cohort"),
        tuple(terms),
        granularity_from(message.granularity, "granularity"),
        message.periods,
        message.acquisition_cost,
        breakdown_from(message.breakdown),
    )


def _fill(echo: pb.QueryLtvRequest, asked: Ltv) -> None:
    echo.granularity = echo.granularity or question_pb2.GRANULARITY_MONTH
    echo.periods = asked.periods
    fill_breakdown(echo, asked.breakdown)


def _respond(answer: ModelAnswer[Ltv], mint: Mint) -> pb.QueryLtvResponse:
    asked = answer.question
    found: dict[tuple[int, GroupKey | None], dict[int, Any]] = defaultdict(dict)
    weights: dict[GroupKey | None, int] = defaultdict(int)
    for row in answer.rows:
        group = row_group(row, split=asked.breakdown is not None)
        found[row["cohort"], group][row["n"]] = row
        weights[group] += row["persons"] if row["n"] < 0 else 0

    def rank(key: tuple[int, GroupKey | None]) -> tuple[Any, ...]:
        cohort, group = key
        if group is None:
            return (cohort,)
        return cohort, group.other, -weights[group], group.missing, group.value.encode()

    response = pb.QueryLtvResponse()
    for cohort, group in sorted(found, key=rank):
        response.cohorts.append(_cohort(asked, cohort, group, found[cohort, group], mint))
    return response


def _cohort(
    asked: Ltv, cohort: int, group: GroupKey | None, rows: dict[int, Any], mint: Mint
) -> pb.LtvCohort:
    persons = rows[-1]["persons"]
    message = pb.LtvCohort(
        time_ms=start_of(cohort, asked.granularity, asked.scope.zone),
        group=group_or_none(group),
        persons=cell(persons, mint(LtvCell(cohort, group, -1))),
    )
    cost = Decimal(asked.acquisition_cost) if asked.acquisition_cost else None
    revenue, paying = Decimal(0), 0
    for n in range(asked.periods):
        if n in rows:
            revenue += revenue_of(rows[n]["revenue"])
            paying += rows[n]["starting"]
        each = (revenue / persons).quantize(Decimal("0.0001"), rounding=ROUND_HALF_EVEN)
        message.points.add(
            revenue=f"{revenue.normalize():f}",
            per_person=f"{each:f}",
            paying=cell(paying, mint(LtvCell(cohort, group, n))),
            finished=asked.ended(cohort, n),
        )
        if cost is not None and not message.payback and revenue >= cost * persons:
            message.payback = n + 1
    return message


def _cell(values: Sequence[Any]) -> LtvCell:
    cohort, group, period = values
    return LtvCell(cohort, group_from(group), period)


RPC: Final = ModelRpc("l", pb.QueryLtvRequest, _question, _fill, _respond, _cell)
