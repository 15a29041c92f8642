"""Funnels: who went how far, where they stopped, how long each step took."""

from collections.abc import Mapping, Sequence
from typing import Any

from siyu_analytics.domain.audience import persons_filter
from siyu_analytics.domain.binder import Binder, Query
from siyu_analytics.domain.breakdown import (
    NOWHERE,
    GroupKey,
    folded,
    is_group,
    with_trait,
)
from siyu_analytics.domain.chain import Chain, Origin, chain_sql
from siyu_analytics.domain.funnel import FunnelCell, FunnelGroup, FunnelRequest, FunnelStep
from siyu_analytics.domain.orders import Order
from siyu_analytics.domain.value_text import property_text
from siyu_analytics.domain.windows import Span


def funnel_query(
    binder: Binder, request: FunnelRequest, kept: Sequence[GroupKey] | None = None
) -> Query:
    """Rows of everybody and of each group, greatest first; one more than the limit tells of others.

    Columns: ``everybody``, ``place`` (text, missing, other), ``reached_k``, ``median_k``,
    ``convert_median``, ``convert_mean``, ``converted``.
    """
    numbers = ", ".join(_numbers(binder, request))
    persons = persons_sql(binder, request)
    if request.breakdown is None:
        return binder.query(
            f"SELECT true AS everybody, {NOWHERE} AS place, {numbers} FROM ({persons})"
        )
    rows = f"SELECT path, {folded(binder, kept)} AS place FROM ({persons})"
    # Everybody, the kept groups, and the first that is too many or the other group.
    limit = request.breakdown.limit + 2
    return binder.query(
        f"SELECT toBool(grouping(place)) AS everybody, place, {numbers} FROM ({rows})"
        " GROUP BY GROUPING SETS ((place), ())"
        f" ORDER BY everybody DESC, place.3, reached_0 DESC, place.2, place.1 LIMIT {limit}"
    )


def funnel_members(
    binder: Binder,
    request: FunnelRequest,
    cell: FunnelCell,
    kept: Sequence[GroupKey] | None = None,
) -> str:
    """A SELECT of the persons of a cell (``person``), from the rows that the numbers come from."""
    request = request.of_cell(cell)
    where = [f"length(path) = {cell.step + 1}" if cell.lost else f"length(path) > {cell.step}"]
    if cell.group is not None:
        where.append(is_group(binder, cell.group, kept))
    if cell.bucket is not None:
        where.append(_took(binder, *cell.bucket))
    return f"SELECT person FROM ({persons_sql(binder, request)}) WHERE {' AND '.join(where)}"


def persons_sql(binder: Binder, request: FunnelRequest) -> str:
    """A SELECT of ``person``, ``path`` and, with a breakdown, ``split``."""
    scope = request.scope
    persons = persons_filter(binder, scope.persons)
    # The range limits the first step alone; the others follow within the window.
    events = Span(scope.from_ms, scope.to_ms + request.window_ms)
    if request.order is Order.GROWINGIO_TOLERANT:
        # The first day or hour counts from its start to its end, whatever the range says.
        day_ms = 90_000_000  # of the day on which clocks are set back
        events = Span(max(0, scope.from_ms - day_ms), events.high + day_ms)
    chain = Chain(
        request.steps,
        scope.span,
        events.until(scope.as_of_ms),
        request.window_ms,
        request.order or Order.SEQUENTIAL,
        request.exclusions,
        request.same_property,
    )
    breakdown = request.breakdown
    if breakdown is None:
        return chain_sql(binder, chain, persons=persons)
    if breakdown.by_trait:
        return with_trait(binder, breakdown, chain_sql(binder, chain, persons=persons))
    origin = Origin(property_text(binder, breakdown.name), request.breakdown_step)
    rows = chain_sql(binder, chain, origin=origin, persons=persons)
    return f"SELECT person, path, origin AS split FROM ({rows})"


def _numbers(binder: Binder, request: FunnelRequest) -> list[str]:
    steps = len(request.steps)
    reached = [f"countIf(length(path) > {step}) AS reached_{step}" for step in range(steps)]
    medians = [
        f"quantileExactInclusiveIf(0.5)(path[{step + 1}] - path[{step}], length(path) > {step})"
        f" AS median_{step}"
        for step in range(1, steps)
    ]
    last = f"path[{steps}] - path[1], length(path) = {steps}"
    whole = [
        f"quantileExactInclusiveIf(0.5)({last}) AS convert_median",
        f"avgIf({last}) AS convert_mean",
    ]
    buckets = [
        f"countIf(length(path) = {steps} AND {_took(binder, low, high)})"
        for low, high in request.buckets
    ]
    counted = f"[{', '.join(buckets)}]" if buckets else "emptyArrayUInt64()"
    return [*reached, *medians, *whole, f"{counted} AS converted"]


def _took(binder: Binder, low: int, high: int) -> str:
    took = f"path[-1] - path[1] >= {binder.whole(low)}"
    return f"{took} AND path[-1] - path[1] < {binder.whole(high)}" if high else took


def funnel_group(
    row: Mapping[str, Any], steps: int, group: GroupKey | None, period_ms: int | None = None
) -> FunnelGroup:
    """A row of ``funnel_query`` with its rates."""
    reached = [int(row[f"reached_{step}"]) for step in range(steps)]
    result = []
    for step, here in enumerate(reached):
        before = reached[step - 1] if step else here
        after = reached[step + 1] if step + 1 < steps else here
        rate = here / before if before else 0.0
        median = float(row[f"median_{step}"]) if step and here else None
        result.append(FunnelStep(here, here - after, rate if step or here else 0.0, median))
    ended = reached[-1] > 0
    return FunnelGroup(
        group,
        result,
        float(row["convert_median"]) if ended else None,
        float(row["convert_mean"]) if ended else None,
        [int(number) for number in row["converted"]],
        period_ms,
    )
