"""Funnels: what is asked. See ``funnel_plan`` for how it is answered."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from siyu_analytics.domain.breakdown import (
    Breakdown,
    GroupKey,
    check_breakdown,
    filled,
)
from siyu_analytics.domain.chain import Exclusion
from siyu_analytics.domain.checks import require
from siyu_analytics.domain.filters import EventFilter, check_event, check_property
from siyu_analytics.domain.histogram import buckets_of, check_bounds
from siyu_analytics.domain.orders import DEFAULT, UNORDERED, Order, Preset
from siyu_analytics.domain.periods import Granularity, Period, period_at, periods
from siyu_analytics.domain.scope import Scope, check_scope

_MAX_WINDOW_MS: Final = 3_650 * 86_400_000
_MAX_STEPS: Final = 20
_MAX_EXCLUSIONS: Final = 8
_MAX_PERIODS: Final = 62


@dataclass(frozen=True, slots=True)
class FunnelRequest:
    """What is asked; see ``FunnelOrder`` and ``QueryFunnelRequest`` in the contract."""

    scope: Scope
    steps: tuple[EventFilter, ...]
    window_ms: int = 0
    order: Order | None = None
    breakdown: Breakdown | None = None
    breakdown_step: int = 0
    preset: Preset = DEFAULT
    exclusions: tuple[Exclusion, ...] = ()
    same_property: str = ""
    bounds_ms: tuple[int, ...] = ()
    trend: Granularity = Granularity.WHOLE

    def filled(self, now_ms: int) -> "FunnelRequest":
        """With every default in its place."""
        return replace(
            self,
            scope=self.scope.filled(now_ms),
            window_ms=self.window_ms or self.preset.window_ms,
            order=self.order or self.preset.order,
            breakdown=filled(self.breakdown),
        )

    @property
    def buckets(self) -> list[tuple[int, int]]:
        """The histogram's buckets by their bounds, 0 at the end for none."""
        return buckets_of(self.bounds_ms)

    def of_each_period(self) -> Iterator[tuple[int, "FunnelRequest"]]:
        """The same question of every period of the trend, with the period's start."""
        scope = self.scope
        for period in periods(scope.from_ms, scope.to_ms, self.trend, scope.zone):
            yield period.start_ms, self.of_period(period)

    def of_cell(self, cell: "FunnelCell") -> "FunnelRequest":
        """The question that a cell is of: of a trend that of its period."""
        if cell.period_ms is None:
            return self
        return self.of_period(period_at(cell.period_ms, self.trend, self.scope.zone))

    def of_period(self, period: Period) -> "FunnelRequest":
        """The question of the persons who enter in a period, not split further."""
        scope = self.scope
        low, high = max(scope.from_ms, period.start_ms), min(scope.to_ms, period.end_ms)
        return replace(
            self,
            scope=replace(scope, from_ms=low, to_ms=high),
            breakdown=None,
            bounds_ms=(),
            trend=Granularity.WHOLE,
        )


def check_funnel(request: FunnelRequest) -> None:
    """Refuse a filled request that is malformed."""
    check_scope(request.scope, "scope")
    steps = len(request.steps)
    require(2 <= steps <= _MAX_STEPS, "steps", f"2 to {_MAX_STEPS} steps")
    for position, step in enumerate(request.steps):
        check_event(step, f"steps[{position}]")
    within = 1_000 <= request.window_ms <= _MAX_WINDOW_MS
    require(within, "window_ms", f"1000 to {_MAX_WINDOW_MS} ms")
    if request.breakdown is not None:
        check_breakdown(request.breakdown, "breakdown")
        by_event = not request.breakdown.by_trait
        require(by_event or not request.breakdown_step, "breakdown_step", "0 with a trait")
    require(request.breakdown_step < steps, "breakdown_step", "one of the steps")
    _check_exclusions(request)
    if request.same_property:
        check_property(request.same_property, "same_property")
    check_bounds(request.bounds_ms, "convert_bounds_ms")
    if request.trend is not Granularity.WHOLE:
        scope = request.scope
        found = len(periods(scope.from_ms, scope.to_ms, request.trend, scope.zone, _MAX_PERIODS))
        require(
            found <= _MAX_PERIODS, "trend", f"at most {_MAX_PERIODS} periods: shorten the range"
        )


def _check_exclusions(request: FunnelRequest) -> None:
    require(len(request.exclusions) <= _MAX_EXCLUSIONS, "exclusions", f"at most {_MAX_EXCLUSIONS}")
    if request.exclusions:
        require(
            request.order not in UNORDERED, "exclusions", "none in an order that has no between"
        )
    for position, item in enumerate(request.exclusions):
        path = f"exclusions[{position}]"
        check_event(item.event, f"{path}.event")
        between = item.from_step < item.to_step < len(request.steps)
        require(between, f"{path}.to_step", "a step after from_step")


class FunnelStep(NamedTuple):
    """One step."""

    reached: int
    lost: int
    """Reached it and not the next; 0 at the last step."""
    step_rate: float
    median_ms: float | None


class FunnelGroup(NamedTuple):
    """One group, or everybody, or those who entered in one period."""

    group: GroupKey | None
    steps: list[FunnelStep]
    convert_median_ms: float | None
    """Median time from the first step to the last."""
    convert_mean_ms: float | None
    converted: list[int]
    """Persons who reached the last step, by the bucket of the time that it took them."""
    period_ms: int | None = None

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
    period_ms: int | None = None
    """Start of the period of entry; None: the whole range."""
    bucket: tuple[int, int] | None = None
    """Bounds of the time from the first step to the last; None: any."""
