"""Chapter 3: the opening funnel by channel, and one lost cell opened into its people."""

from collections.abc import Mapping

from siyu.analytics.v1 import analytics_service_pb2 as analytics
from siyu_client.client import call
from siyu_demo.records import Value
from siyu_demo.simulator.vocabulary import CHANNEL_TITLES, STEP_TITLES
from siyu_demo.story.checks import Pair
from siyu_demo.story.listing import cell_members
from siyu_demo.story.questions import funnel_question, funnel_request
from siyu_demo.story.stage import PROJECT, Stage
from siyu_demo.truth import Funnel, funnel

TITLE = "The opening funnel by channel"
_STEPS = list(STEP_TITLES.values())
_OPENED = ("douyin", 1)
"""Channel and step whose lost customers are listed: they set a password, and no more."""


async def tell(stage: Stage) -> None:
    """Counts and medians of every group, then the people behind one number."""
    truth = funnel(funnel_question(stage), stage.ledger, stage.people)
    answer = await call(stage.client.analytics.QueryFunnel, funnel_request(stage))
    groups = {_value(group): group for group in answer.groups}
    _show_counts(stage, answer.total, groups, truth)
    _show_medians(stage, answer.total, groups, truth)
    await _open(stage, groups, truth)


def _value(group: analytics.FunnelGroup) -> Value | None:
    return None if group.group.missing else group.group.value


def _title(channel: Value | None) -> str:
    return "(none)" if channel is None else CHANNEL_TITLES[str(channel)]


def _show_counts(
    stage: Stage,
    total: analytics.FunnelGroup,
    groups: Mapping[Value | None, analytics.FunnelGroup],
    truth: Funnel,
) -> None:
    with stage.checks.table("Persons by step", *_STEPS, "overall") as table:
        table.row("everybody", *_counts(total, truth))
        for channel in sorted(truth.groups, key=lambda value: -truth.groups[value].counts[0]):
            table.row(_title(channel), *_counts(groups.get(channel), truth.groups[channel]))
    with stage.checks.table("Channels") as table:
        table.row("groups", Pair(len(groups), len(truth.groups)))


def _counts(group: analytics.FunnelGroup | None, truth: Funnel) -> list[Pair | None]:
    steps = list(group.steps) if group is not None else []
    counts = [step.reached.persons for step in steps] or [0] * len(truth.counts)
    pairs: list[Pair | None] = [Pair(*both) for both in zip(counts, truth.counts, strict=True)]
    overall = group.overall_rate if group is not None else 0.0
    return [*pairs, Pair(overall, truth.counts[-1] / truth.counts[0], _percent)]


def _show_medians(
    stage: Stage,
    total: analytics.FunnelGroup,
    groups: Mapping[Value | None, analytics.FunnelGroup],
    truth: Funnel,
) -> None:
    with stage.checks.table("Median time from the step before", *_STEPS[1:]) as table:
        table.row("everybody", *_medians(total, truth))
        for channel in sorted(truth.groups, key=lambda value: -truth.groups[value].counts[0]):
            table.row(_title(channel), *_medians(groups.get(channel), truth.groups[channel]))


def _medians(group: analytics.FunnelGroup | None, truth: Funnel) -> list[Pair | None]:
    steps = list(group.steps)[1:] if group is not None else []
    found = [step.median_ms if step.HasField("median_ms") else None for step in steps]
    found = found or [None] * (len(truth.counts) - 1)
    return [Pair(*both, _duration) for both in zip(found, truth.medians_ms[1:], strict=True)]


async def _open(
    stage: Stage, groups: Mapping[Value | None, analytics.FunnelGroup], truth: Funnel
) -> None:
    """List the people of one cell by the token that came with its number."""
    channel, step = _OPENED
    expected = truth.groups[channel].lost(step)
    title = f"{_title(channel)}: lost after {_STEPS[step]}"
    cell = groups[channel].steps[step].lost
    listed = await cell_members(stage, cell.token)
    with stage.checks.table(title) as table:
        table.row("number in the cell", Pair(cell.persons, len(expected)))
        table.row("people on the list", Pair(listed, stage.numbers.of(expected)))
    stage.examples.append(("analytics", "GetWatermark", {"project_id": PROJECT}))


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _duration(value: float | None) -> str:
    if value is None:
        return "-"
    seconds = value / 1000
    if seconds < 3_600:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3_600:.1f} h"
