"""Lifetime value equals what plain Python adds up; the paper's example pays back in month 7."""

from collections import defaultdict
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.events_oracle import group_of
from oracle.ltv_oracle import Earned, earned_by
from oracle.retention_oracle import after, start_ms
from oracle.strategies import AS_OF_MS, HOUR_MS, ZONES, event_filters
from siyu.analytics.v1 import ltv_pb2 as pb
from siyu.analytics.v1 import question_pb2
from siyu.condition.v1 import condition_pb2 as cpb
from support.analytics_cells import cases_of, draw_split, few, lots, members
from support.analytics_questions import Event, Questions, World
from support.analytics_worlds import persons_of, world_of

DAY_MS = 24 * HOUR_MS
FACTORS = ["", "-1", "0.00025", "2.5"]


@st.composite
def questions_of_ltv(draw: st.DrawFn) -> pb.QueryLtvRequest:
    request = pb.QueryLtvRequest(
        cohort=draw(event_filters()),
        granularity=draw(st.sampled_from([2, 3, 4])),
        periods=draw(st.sampled_from([1, 3, 6])),
        acquisition_cost=draw(st.sampled_from(["", "1.5"])),
    )
    for event in draw(st.lists(event_filters(), min_size=1, max_size=2)):
        request.revenue.add(event=event, property="amount", factor=draw(st.sampled_from(FACTORS)))
    draw_split(draw, request)
    request.scope.from_time_ms = AS_OF_MS - draw(st.sampled_from([2, 9])) * DAY_MS
    request.scope.to_time_ms = AS_OF_MS - draw(st.sampled_from([-1, 30])) * HOUR_MS
    request.scope.as_of_time_ms = AS_OF_MS
    request.scope.zone = draw(st.sampled_from(ZONES))
    return request


QUESTIONS = questions_of_ltv()


@few
@given(cases=cases_of(QUESTIONS, 2))
async def test_ltv(questions: Questions, cases: list[Any]) -> None:
    await check_ltv(questions, cases)


@pytest.mark.slow
@pytest.mark.timeout(900)
@lots
@given(cases=cases_of(QUESTIONS, 6))
async def test_ltv_at_length(questions: Questions, cases: list[Any]) -> None:
    await check_ltv(questions, cases)


async def check_ltv(questions: Questions, cases: list[Any]) -> None:
    worlds = [world_of(history) for history, _ in cases]
    await questions.load(worlds)
    for world, (history, request) in zip(worlds, cases, strict=True):
        request.project_id = world.project
        answer = await questions.rpc.QueryLtv(request, None)
        by = request.breakdown.WhichOneof("by") or ""
        name = getattr(request.breakdown, by) if by else ""
        expected: dict[Any, dict[int, Earned]] = defaultdict(dict)
        for number, person in persons_of(history).items():
            earned = earned_by(request, person.events)
            if earned:
                start = start_ms(earned.cohort, request.scope.zone)
                group = group_of(earned.event, person, by, name)
                expected[start, group][number] = earned
        found = {}
        for cohort in answer.cohorts:
            named = cohort.HasField("group") and not cohort.group.missing
            found[cohort.time_ms, cohort.group.value if named else None] = cohort
        assert set(found) == set(expected)
        for key, people in expected.items():
            await check_cohort(questions, request, found[key], people)


async def check_cohort(
    questions: Questions, request: pb.QueryLtvRequest, cohort: pb.LtvCohort, people: Any
) -> None:
    project, zone = request.project_id, request.scope.zone
    assert await members(questions, project, cohort.persons) == set(people)
    assert len(cohort.points) == request.periods
    payback = 0
    for n, point in enumerate(cohort.points):
        each = [sum(earned.by_period[: n + 1], Decimal(0)) for earned in people.values()]
        revenue = sum(each, Decimal(0))
        assert Decimal(point.revenue) == revenue
        mean = (revenue / len(people)).quantize(Decimal("0.0001"), rounding=ROUND_HALF_EVEN)
        assert Decimal(point.per_person) == mean
        paying = {k for k, v in people.items() if v.first is not None and v.first <= n}
        assert await members(questions, project, point.paying) == paying
        first = next(iter(people.values())).cohort
        ends = start_ms(after(first, n + 1, request.granularity), zone)
        assert point.finished == (ends <= AS_OF_MS + 1)
        if request.acquisition_cost and not payback:
            paid = revenue >= Decimal(request.acquisition_cost) * len(people)
            payback = n + 1 if paid else 0
    assert cohort.payback == payback


async def test_a_customer_of_the_paper_pays_back_in_month_seven(questions: Questions) -> None:
    """S-004. Model 13, LTV."""
    january = 1_767_196_800_000  # 2026-01-01 00:00 in Shanghai
    starts = [january + days * DAY_MS for days in (0, 31, 59, 90, 120, 151, 181, 212, 243, 273)]
    starts += [january + days * DAY_MS for days in (304, 334)]
    events = [Event(1, "open", january + HOUR_MS)]
    events += [
        Event(1, "trade", start + 2 * HOUR_MS, properties={"turnover": 300_000.0})
        for start in starts
    ]
    world = World(events, {1: 1})
    await questions.load([world])
    request = pb.QueryLtvRequest(
        project_id=world.project,
        cohort=cpb.EventFilter(event_name="open"),
        acquisition_cost="1000",
        granularity=question_pb2.GRANULARITY_MONTH,
    )
    for _ in ("buying", "selling"):
        event = cpb.EventFilter(event_name="trade")
        request.revenue.add(event=event, property="turnover", factor="0.00025")
    request.scope.from_time_ms, request.scope.to_time_ms = january, january + DAY_MS
    answer = await questions.rpc.QueryLtv(request, None)
    (cohort,) = answer.cohorts
    assert [Decimal(point.revenue) for point in cohort.points] == [150 * n for n in range(1, 13)]
    assert Decimal(cohort.points[11].per_person) == 1_800
    assert cohort.payback == 7
