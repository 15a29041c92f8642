"""Funnels: who went how far, where they stopped, how long each step took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from siyu_analytics.domain.audience import persons_filter
from siyu_analytics.domain.binder import Binder, Query
from siyu_analytics.domain.breakdown import (
    Breakdown,
    GroupKey,
    check_breakdown,
    folded,
    is_group,
    property_text,
    with_trait,
)
from siyu_analytics.domain.chain import Chain, chain_sql
from siyu_analytics.domain.checks import require
from siyu_analytics.domain.filters import EventFilter, check_event
from siyu_analytics.domain.scope import Scope, check_scope
from siyu_analytics.domain.windows import Span

DEFAULT_WINDOW_MS: Final = 7 * 86_400_000
_MAX_WINDOW_MS: Final = 3_650 * 86_400_000
_MAX_STEPS: Final = 20


@dataclass(frozen=True, slots=True)
class FunnelRequest:
    """What is asked; see ``FunnelOrder`` and ``QueryFunnelRequest`` in the contract."""

    scope: Scope
    steps: tuple[EventFilter, ...]
    window_ms: int = 0
    strict: bool = False
    breakdown: Breakdown | None = None

    def filled(self, now_ms: int) -> "FunnelRequest":
        """With every default in its place."""
        return replace(
            self,
            scope=self.scope.filled(now_ms),
            window_ms=self.window_ms or DEFAULT_WINDOW_MS,
            breakdown=self.breakdown.filled() if self.breakdown else None,
        )


def check_funnel(request: FunnelRequest) -> None:
    """Refuse a filled request that is malformed."""
    check_scope(request.scope, "scope")
    require(2 <= len(request.steps) <= _MAX_STEPS, "steps", f"2 to {_MAX_STEPS} steps")
    for position, step in enumerate(request.steps):
        check_event(step, f"steps[{position}]")
    within = 1_000 <= request.window_ms <= _MAX_WINDOW_MS
    require(within, "window_ms", f"1000 to {_MAX_WINDOW_MS} ms")
    if request.breakdown is not None:
        check_breakdown(request.breakdown, "breakdown")


class FunnelStep(NamedTuple):
    """One step."""

    reached: int
    lost: int
    """Reached it and not the next; 0 at the last step."""
    step_rate: float
    median_ms: float | None


class FunnelGroup(NamedTuple):
    """One group, or everybody."""

    group: GroupKey | None
    steps: list[FunnelStep]

    @property
    def overall_rate(self) -> float:
        """Reached of the last step by reached of the first."""
        first = self.steps[0].reached
        return self.steps[-1].reached / first if first else 0.0


class FunnelCell(NamedTuple):
    """A counted set of persons in a funnel."""

    step: int
    lost: bool
    group: GroupKey | None = None
    """None: everybody."""


def funnel_query(
    binder: Binder, request: FunnelRequest, kept: Sequence[GroupKey] | None = None
) -> Query:
    """Rows of everybody and of each group, greatest first; one more than the limit tells of others.

    Columns: ``everybody``, ``place`` (text, missing, other), ``reached_k``, ``median_k``.
    """
    numbers = ", ".join(_numbers(len(request.steps)))
    persons = _persons(binder, request)
    if request.breakdown is None:
        return binder.query(
            f"SELECT true AS everybody, ('', false, false) AS place, {numbers} FROM ({persons})"
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
    depth = f"length(path) = {cell.step + 1}" if cell.lost else f"length(path) > {cell.step}"
    where = [depth]
    if cell.group is not None:
        where.append(is_group(binder, cell.group, kept))
    return f"SELECT person FROM ({_persons(binder, request)}) WHERE {' AND '.join(where)}"


def _persons(binder: Binder, request: FunnelRequest) -> str:
    """A SELECT of ``person``, ``path`` and, with a breakdown, ``split``."""
    scope = request.scope
    persons = persons_filter(binder, scope.persons)
    # The range limits the first step alone; the others follow within the window.
    events = Span(scope.from_ms, scope.to_ms + request.window_ms).until(scope.as_of_ms)
    chain = Chain(request.steps, scope.span, events, request.window_ms, request.strict)
    breakdown = request.breakdown
    if breakdown is None:
        return chain_sql(binder, chain, persons=persons)
    if breakdown.by_trait:
        return with_trait(binder, breakdown, chain_sql(binder, chain, persons=persons))
    rows = chain_sql(binder, chain, entry=property_text(binder, breakdown), persons=persons)
    return f"SELECT person, path, origin AS split FROM ({rows})"


def _numbers(steps: int) -> list[str]:
    reached = [f"countIf(length(path) > {step}) AS reached_{step}" for step in range(steps)]
    medians = [
        f"quantileExactInclusiveIf(0.5)(path[{step + 1}] - path[{step}], length(path) > {step})"
        f" AS median_{step}"
        for step in range(1, steps)
    ]
    return reached + medians


def funnel_group(row: Mapping[str, object], steps: int, group: GroupKey | None) -> FunnelGroup:
    """A row of ``funnel_query`` with its rates."""
    reached = [int(str(row[f"reached_{step}"])) for step in range(steps)]
    result = []
    for step, here in enumerate(reached):
        before = reached[step - 1] if step else here
        after = reached[step + 1] if step + 1 < steps else here
        rate = here / before if before else 0.0
        median = float(str(row[f"median_{step}"])) if step and here else None
        result.append(FunnelStep(here, here - after, rate if step or here else 0.0, median))
    return FunnelGroup(group, result)
