"""Intervals equal what plain Python finds; the manual's example, number and list."""

from collections import defaultdict
from statistics import mean, median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.calendar_oracle import period_start
from oracle.events_oracle import group_of
from oracle.interval_oracle import Found, intervals_of
from oracle.strategies import AS_OF_MS, HOUR_MS, ZONES, event_filters
from siyu.analytics.v1 import interval_pb2 as pb
from siyu.analytics.v1 import question_pb2
from siyu.condition.v1 import condition_pb2 as cpb
from support.analytics_cells import cases_of, draw_split_over_time, few, lots, members
from support.analytics_questions import Event, Questions, World
from support.analytics_worlds import persons_of, world_of

BOUNDS = [1, 2 * HOUR_MS]


@st.composite
def questions_of_intervals(draw: st.DrawFn) -> pb.QueryIntervalRequest:
    request = pb.QueryIntervalRequest(
        start=draw(event_filters()),
        goal=draw(event_filters()),
        limit_ms=draw(st.sampled_from([1_000, 3 * HOUR_MS, 200 * HOUR_MS])),
        granularity=draw(st.sampled_from(question_pb2.Granularity.values())),
        bounds_ms=BOUNDS,
    )
    draw_split_over_time(draw, request)
    request.scope.from_time_ms = AS_OF_MS - draw(st.sampled_from([8, 200])) * HOUR_MS
    request.scope.to_time_ms = AS_OF_MS - draw(st.sampled_from([-1, 1])) * HOUR_MS
    request.scope.as_of_time_ms = AS_OF_MS
    request.scope.zone = draw(st.sampled_from(ZONES))
    return request


QUESTIONS = questions_of_intervals()


@few
@given(cases=cases_of(QUESTIONS, 2))
async def test_intervals(questions: Questions, cases: list[Any]) -> None:
    await check_intervals(questions, cases)


@pytest.mark.slow
@pytest.mark.timeout(900)
@lots
@given(cases=cases_of(QUESTIONS, 6))
async def test_intervals_at_length(questions: Questions, cases: list[Any]) -> None:
    await check_intervals(questions, cases)


async def check_intervals(questions: Questions, cases: list[Any]) -> None:
    worlds = [world_of(history) for history, _ in cases]
    await questions.load(worlds)
    for world, (history, request) in zip(worlds, cases, strict=True):
        request.project_id = world.project
        answer = await questions.rpc.QueryInterval(request, None)
        by = request.breakdown.WhichOneof("by") or ""
        name = getattr(request.breakdown, by) if by else ""
        rows: dict[Any, list[tuple[int, Found]]] = defaultdict(list)
        for number, person in persons_of(history).items():
            for item in intervals_of(request, person.events):
                start = period_start(item.start_ms, request.granularity, request.scope.zone)
                rows[start, group_of(item.event, person, by, name)].append((number, item))
        found = {}
        for row in answer.rows:
            named = row.HasField("group") and not row.group.missing
            found[row.time_ms, row.group.value if named else None] = row
        assert set(found) == set(rows)
        for key, items in rows.items():
            await check_row(questions, world.project, found[key], items)
        everything = [item for items in rows.values() for item in items]
        assert answer.HasField("total") == bool(everything)
        if everything:
            await check_row(questions, world.project, answer.total, everything)


async def check_row(
    questions: Questions, project: str, row: pb.IntervalRow, items: list[tuple[int, Found]]
) -> None:
    took = [item.took_ms for _, item in items]
    assert (row.intervals, row.min_ms, row.max_ms) == (len(items), min(took), max(took))
    assert row.median_ms == median(took)
    assert row.mean_ms == pytest.approx(mean(took))
    assert row.min_ms <= row.quarter_ms <= row.median_ms <= row.three_quarters_ms <= row.max_ms
    assert await members(questions, project, row.persons) == {n for n, _ in items}
    for bucket, low, high in zip(row.histogram, [0, *BOUNDS], [*BOUNDS, 0], strict=True):
        inside = [
            n for n, item in items if low <= item.took_ms and (not high or item.took_ms < high)
        ]
        assert bucket.intervals == len(inside)
        assert await members(questions, project, bucket.persons) == set(inside)


async def test_a_a_b_b_is_one_interval(questions: Questions) -> None:
    """Model 11, interval."""
    names = [("A", 0), ("A", 10), ("B", 25), ("B", 40)]
    world = World([Event(1, name, minute * 60_000) for name, minute in names], {1: 1})
    await questions.load([world])
    request = pb.QueryIntervalRequest(
        project_id=world.project,
        start=cpb.EventFilter(event_name="A"),
        goal=cpb.EventFilter(event_name="B"),
    )
    answer = await questions.rpc.QueryInterval(request, None)
    assert (answer.total.intervals, answer.total.median_ms) == (1, 15 * 60_000)
