"""Compares those who were touched with those held out."""

from dataclasses import dataclass, replace

from siyu_kit.clock import Clock
from siyu_kit.errors import InvalidInput, PreconditionFailed
from siyu_touch.app.ports import Comparison, EffectQuestion, Effects, Freshness, Rate
from siyu_touch.app.store import TouchStore


@dataclass(frozen=True)
class EffectReport:
    """The comparison and its range, milliseconds UTC."""

    comparison: Comparison
    from_ms: int
    to_ms: int

    @property
    def verdict(self) -> str:
        """The result in words."""
        if not _measurable(self.comparison):
            return "no hold-out, the effect cannot be measured"
        if not self.comparison.significant:
            return "no significant difference"
        direction = "more" if self.comparison.difference.value > 0 else "less"
        return f"touched customers convert {direction}"


async def effect_report(
    store: TouchStore,
    effects: Effects,
    clock: Clock,
    *,
    project_id: str,
    campaign_id: str,
    to_ms: int,
    freshness: Freshness,
) -> EffectReport:
    """Conversion since the launch, by intention to treat: refused persons count as treated."""
    async with store.reading() as unit:
        campaign = await unit.catalogue.campaign(project_id, campaign_id)
        snapshot = await unit.catalogue.snapshot(project_id, campaign_id)
    if snapshot is None:
        raise PreconditionFailed("NOT_LAUNCHED", "the campaign was not launched")
    if not campaign.goal:
        raise PreconditionFailed("NO_GOAL", "the campaign has no goal to measure")
    from_ms = campaign.launch_time_ms
    if to_ms and to_ms <= from_ms:
        raise InvalidInput("FIELD_INVALID", "the range ends after the launch", field="to_time_ms")
    default = max(from_ms + 1, min(from_ms + campaign.goal_window_ms, clock.now_ms()))
    until = to_ms or default
    comparison = await effects.compare(
        EffectQuestion(
            project_id,
            snapshot.audience - snapshot.held_out,
            snapshot.held_out,
            campaign.goal,
            from_ms,
            until,
            campaign.zone,
            freshness,
        )
    )
    if not _measurable(comparison):
        nothing = Rate(0.0, 0.0, 0.0)
        comparison = replace(comparison, difference=nothing, significant=False)
    return EffectReport(comparison, from_ms, until)


def _measurable(comparison: Comparison) -> bool:
    """Whether there is anybody on both sides."""
    return comparison.treated.persons > 0 and comparison.control.persons > 0
