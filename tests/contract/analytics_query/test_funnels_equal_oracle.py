"""Funnels of every order equal what plain Python finds, number and list."""

from collections import defaultdict
from collections.abc import Sequence
from statistics import mean, median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.calendar_oracle import period_start
from oracle.funnel_oracle import FunnelQuestion, Path, best_path
from oracle.strategies import AS_OF_MS, HOUR_MS, ZONES, History, event_filters
from oracle.texts import property_text, text
from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1 import question_pb2
from support.analytics_cells import cases_of, few, lots, members
from support.analytics_questions import Questions
from support.analytics_worlds import persons_of, world_of

LOW, TO = AS_OF_MS - 6 * HOUR_MS, AS_OF_MS
ORDERS = [order for order in pb.FunnelOrder.values() if order]
UNORDERED = (pb.FUNNEL_ORDER_ANY_ORDER, pb.FUNNEL_ORDER_GROWINGIO_TOLERANT)
TRENDS = [question_pb2.GRANULARITY_UNSPECIFIED] * 2 + [question_pb2.GRANULARITY_DAY]


@st.composite
def questions_of_funnels(draw: st.DrawFn) -> pb.QueryFunnelRequest:
    request = pb.QueryFunnelRequest(
        steps=draw(st.lists(event_filters(), min_size=2, max_size=4)),
        window_ms=draw(st.sampled_from([1_000, HOUR_MS, 3 * HOUR_MS, 48 * HOUR_MS])),
        order=draw(st.sampled_from(ORDERS)),
        same_property=draw(st.sampled_from(["", "", "kind"])),
        convert_bounds_ms=draw(st.sampled_from([[], [1, HOUR_MS]])),
        trend=draw(st.sampled_from(TRENDS)),
    )
    if request.order not in UNORDERED and draw(st.booleans()):
        low = draw(st.integers(0, len(request.steps) - 2))
        high = draw(st.integers(low + 1, len(request.steps) - 1))
        request.exclusions.add(event=draw(event_filters()), from_step=low, to_step=high)
    split = draw(st.sampled_from(["", "kind", "context.lib", "city"]))
    if split == "city":
        request.breakdown.trait = split
    elif split:
        request.breakdown.event_property = split
        request.breakdown_step = draw(st.integers(0, len(request.steps) - 1))
    if split:
        request.breakdown.limit = draw(st.sampled_from([0, 1]))
    request.scope.from_time_ms, request.scope.to_time_ms = LOW, TO
    request.scope.as_of_time_ms = AS_OF_MS
    request.scope.zone = draw(st.sampled_from(ZONES))
    return request


QUESTIONS = questions_of_funnels()


@few
@given(cases=cases_of(QUESTIONS, 1))
async def test_funnels(questions: Questions, cases: list[Any]) -> None:
    await check_funnels(questions, cases)


@pytest.mark.slow
@pytest.mark.timeout(900)
@lots
@given(cases=cases_of(QUESTIONS, 6))
async def test_funnels_at_length(questions: Questions, cases: list[Any]) -> None:
    await check_funnels(questions, cases)


async def check_funnels(
    questions: Questions, cases: list[tuple[History, pb.QueryFunnelRequest]]
) -> None:
    worlds = [world_of(history) for history, _ in cases]
    await questions.load(worlds)
    for world, (history, request) in zip(worlds, cases, strict=True):
        request.project_id = world.project
        answer = await questions.rpc.QueryFunnel(request, None)
        bounds = list(request.convert_bounds_ms)
        paths = paths_of(history, request, LOW, TO)
        await check_group(questions, world.project, answer.total, paths, bounds)
        groups = split_paths(request, paths, history)
        await check_groups(questions, world.project, answer, groups, request)
        await check_trend(questions, world.project, answer, history, request)


def paths_of(
    history: History, request: pb.QueryFunnelRequest, low: int, high: int
) -> dict[int, Path]:
    question = FunnelQuestion(
        list(request.steps),
        low,
        high,
        AS_OF_MS,
        request.window_ms,
        request.order,
        list(request.exclusions),
        request.same_property,
        request.scope.zone,
    )
    persons = persons_of(history)
    return {n: path for n, x in persons.items() if (path := best_path(question, x.events))}


async def check_trend(
    questions: Questions,
    project: str,
    answer: pb.QueryFunnelResponse,
    history: History,
    request: pb.QueryFunnelRequest,
) -> None:
    if not request.trend:
        assert not answer.trend
        return
    starts = [LOW]
    for hour in range(LOW, TO, HOUR_MS // 4):
        if period_start(hour, request.trend, request.scope.zone) > starts[-1]:
            starts.append(period_start(hour, request.trend, request.scope.zone))
    first = period_start(LOW, request.trend, request.scope.zone)
    assert [group.period_ms for group in answer.trend] == [first, *starts[1:]]
    for group, low, high in zip(answer.trend, starts, [*starts[1:], TO], strict=True):
        await check_group(questions, project, group, paths_of(history, request, low, high), [])


async def check_group(
    questions: Questions,
    project: str,
    group: pb.FunnelGroup,
    paths: dict[int, Path],
    bounds: Sequence[int],
) -> None:
    for place, step in enumerate(group.steps):
        reached = {n for n, path in paths.items() if len(path.times) > place}
        assert await members(questions, project, step.reached) == reached
        if place:
            waits = [paths[n].times[place] - paths[n].times[place - 1] for n in reached]
            assert step.HasField("median_ms") == bool(waits)
            assert step.median_ms == (median(waits) if waits else 0)
        if step.HasField("lost"):
            stay = {n for n in reached if len(paths[n].times) == place + 1}
            assert await members(questions, project, step.lost) == stay
    ended = {
        n: p.times[-1] - p.times[0] for n, p in paths.items() if len(p.times) == len(group.steps)
    }
    assert group.HasField("convert_median_ms") == bool(ended)
    if ended:
        assert group.convert_median_ms == median(ended.values())
        assert group.convert_mean_ms == pytest.approx(mean(ended.values()))
    assert len(group.histogram) == (len(bounds) + 1 if bounds else 0)
    for bucket, low, high in zip(group.histogram, [0, *bounds], [*bounds, 0], strict=False):
        inside = {n for n, took in ended.items() if low <= took and (not high or took < high)}
        assert await members(questions, project, bucket.persons) == inside


async def check_groups(
    questions: Questions,
    project: str,
    answer: pb.QueryFunnelResponse,
    groups: dict[str | None, dict[int, Path]],
    request: pb.QueryFunnelRequest,
) -> None:
    limit = request.breakdown.limit or 50
    bounds = list(request.convert_bounds_ms)
    ranked = sorted(groups, key=lambda g: (-len(groups[g]), g is None, (g or "").encode()))
    found = [None if g.group.missing else g.group.value for g in answer.groups if not g.group.other]
    assert found == ranked[:limit]
    for message in answer.groups:
        if message.group.other:
            rest = {n: p for g in ranked[limit:] for n, p in groups[g].items()}
            await check_group(questions, project, message, rest, bounds)
        else:
            key = None if message.group.missing else message.group.value
            await check_group(questions, project, message, groups[key], bounds)
    assert len(answer.groups) == min(len(ranked), limit + 1)


def split_paths(
    request: pb.QueryFunnelRequest, paths: dict[int, Path], history: History
) -> dict[str | None, dict[int, Path]]:
    groups: dict[str | None, dict[int, Path]] = defaultdict(dict)
    by = request.breakdown.WhichOneof("by")
    step = request.breakdown_step
    for number, path in paths.items():
        if by == "trait":
            groups[text(history.traits.get(number, {}).get("city"))][number] = path
        elif by == "event_property":
            event = path.events[step] if step < len(path.events) else None
            name = request.breakdown.event_property
            groups[property_text(event, name) if event else None][number] = path
    return dict(groups)
