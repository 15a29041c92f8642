"""Retention equals what plain Python finds; the paper's example, number and list."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle import retention_oracle as oracle
from oracle.condition_oracle import is_meant
from oracle.events_oracle import group_of
from oracle.strategies import AS_OF_MS, HOUR_MS, ZONES, event_filters
from siyu.analytics.v1 import question_pb2
from siyu.analytics.v1 import retention_pb2 as pb
from siyu.condition.v1 import condition_pb2 as cpb
from support.analytics_cells import cases_of, draw_split, few, lots, members
from support.analytics_questions import Event, Questions, World
from support.analytics_worlds import persons_of, world_of

DAY_MS = 24 * HOUR_MS
GRANULARITIES = [
    question_pb2.GRANULARITY_DAY,
    question_pb2.GRANULARITY_WEEK,
    question_pb2.GRANULARITY_MONTH,
]


@st.composite
def questions_of_retention(draw: st.DrawFn) -> pb.QueryRetentionRequest:
    request = pb.QueryRetentionRequest(
        initial=draw(st.lists(event_filters(), min_size=1, max_size=2)),
        returning=draw(st.lists(event_filters(), min_size=1, max_size=2)),
        granularity=draw(st.sampled_from(GRANULARITIES)),
        periods=draw(st.sampled_from([1, 3, 6])),
        mode=draw(st.sampled_from([m for m in pb.RetentionMode.values() if m])),
    )
    if draw(st.booleans()):
        request.metric_event.CopyFrom(draw(event_filters()))
        request.metric_property = draw(st.sampled_from(["", "amount"]))
    draw_split(draw, request)
    request.scope.from_time_ms = AS_OF_MS - draw(st.sampled_from([2, 5, 9])) * DAY_MS
    request.scope.to_time_ms = AS_OF_MS - draw(st.sampled_from([-1, 5, 30])) * HOUR_MS
    request.scope.as_of_time_ms = AS_OF_MS
    request.scope.zone = draw(st.sampled_from(ZONES))
    return request


QUESTIONS = questions_of_retention()


@few
@given(cases=cases_of(QUESTIONS, 3))
async def test_retention(questions: Questions, cases: list[Any]) -> None:
    await check_retention(questions, cases)


@pytest.mark.slow
@pytest.mark.timeout(900)
@lots
@given(cases=cases_of(QUESTIONS, 6))
async def test_retention_at_length(questions: Questions, cases: list[Any]) -> None:
    await check_retention(questions, cases)


async def check_retention(questions: Questions, cases: list[Any]) -> None:
    worlds = [world_of(history) for history, _ in cases]
    await questions.load(worlds)
    for world, (history, request) in zip(worlds, cases, strict=True):
        request.project_id = world.project
        answer = await questions.rpc.QueryRetention(request, None)
        persons = persons_of(history)
        cohorts: dict[Any, set[int]] = defaultdict(set)
        for number, person in persons.items():
            for cohort in oracle.cohorts_of(request, person.events):
                cohorts[cohort, split_of(request, person)].add(number)
        await check_cohorts(questions, request, answer, cohorts, persons)
        check_totals(request, answer)


def split_of(request: pb.QueryRetentionRequest, person: Any) -> str | None:
    by = request.breakdown.WhichOneof("by") or ""
    if by == "trait" or not by:
        return group_of(None, person, by, request.breakdown.trait) if by else None
    scope = request.scope
    first = [
        e
        for e in person.events
        if any(is_meant(e, item) for item in request.initial)
        and scope.from_time_ms <= e.event_time_ms < scope.to_time_ms
        and e.event_time_ms <= AS_OF_MS
    ]
    event = min(first, key=lambda e: (e.event_time_ms, e.message_id))
    return group_of(event, person, by, request.breakdown.event_property)


async def check_cohorts(
    questions: Questions,
    request: pb.QueryRetentionRequest,
    answer: pb.QueryRetentionResponse,
    cohorts: dict[Any, set[int]],
    persons: dict[int, Any],
) -> None:
    zone, project = request.scope.zone, request.project_id
    found = {}
    for message in answer.cohorts:
        named = message.HasField("group") and not message.group.missing
        found[message.time_ms, message.group.value if named else None] = message
    assert len(found) == len(answer.cohorts) == len(cohorts)
    for (cohort, group), people in cohorts.items():
        message = found[oracle.start_ms(cohort, zone), group]
        assert await members(questions, project, message.persons) == people
        assert len(message.points) == request.periods + 1
        for n, point in enumerate(message.points):
            kept = {p for p in people if oracle.retained(request, persons[p].events, cohort, n)}
            assert await members(questions, project, point.retained) == kept
            assert await members(questions, project, point.lost) == people - kept
            assert point.rate == len(kept) / len(people)
            period = oracle.after(cohort, n, request.granularity)
            next_one = oracle.after(period, 1, request.granularity)
            assert point.finished == (oracle.start_ms(next_one, zone) <= AS_OF_MS + 1)
            if request.HasField("metric_event"):
                each = [oracle.metric(request, persons[p].events, period) for p in kept]
                assert Decimal(point.metric) == sum(each, Decimal(0))


def check_totals(request: pb.QueryRetentionRequest, answer: pb.QueryRetentionResponse) -> None:
    assert len(answer.totals) == request.periods + 1
    for n, total in enumerate(answer.totals):
        ended = [c for c in answer.cohorts if c.points[n].finished]
        assert total.persons == sum(c.persons.persons for c in ended)
        assert total.retained == sum(c.points[n].retained.persons for c in ended)


MARCH_1_MS = 1_772_294_400_000
"""2026-03-01 00:00 in Shanghai."""


async def ask(questions: Questions, events: list[Event], **fields: Any) -> Any:
    world = World(events, {n: n for n in {event.ident for event in events}})
    await questions.load([world])
    request = pb.QueryRetentionRequest(
        project_id=world.project,
        initial=[cpb.EventFilter(event_name="X")],
        returning=[cpb.EventFilter(event_name="Y")],
        **fields,
    )
    request.scope.from_time_ms = MARCH_1_MS
    request.scope.to_time_ms = MARCH_1_MS + DAY_MS
    return await questions.rpc.QueryRetention(request, None)


async def test_xiao_ming_is_retained_on_the_days_of_the_manual(questions: Questions) -> None:
    """Model 5, retention."""
    days = ["X", "ABC", "YCX", "DDY", "ABC", "BYC", "ABC", "DDY"]
    events = [
        Event(1, letter, MARCH_1_MS + day * DAY_MS + (hour + 9) * HOUR_MS)
        for day, letters in enumerate(days)
        for hour, letter in enumerate(letters)
    ]
    answer = await ask(questions, events)
    (cohort,) = answer.cohorts
    assert [n for n, p in enumerate(cohort.points) if p.retained.persons] == [2, 3, 5, 7]
    assert [n for n, p in enumerate(cohort.points) if p.lost.persons] == [0, 1, 4, 6]


async def test_consecutive_days_thin_out(questions: Questions) -> None:
    """Model 5, retention: 200, 100, 50, 0, 0."""
    comes = {1: 200, 2: 100, 3: 50}
    events = [Event(n, "X", MARCH_1_MS + HOUR_MS) for n in range(1, 251)]
    events += [
        Event(n, "Y", MARCH_1_MS + day * DAY_MS)
        for day, people in comes.items()
        for n in range(1, people + 1)
    ]
    events += [Event(n, "Y", MARCH_1_MS + 5 * DAY_MS) for n in range(1, 251)]
    answer = await ask(questions, events, mode=pb.RETENTION_MODE_CONSECUTIVE, periods=5)
    points = answer.cohorts[0].points[1:]
    assert [point.retained.persons for point in points] == [200, 100, 50, 0, 0]


@pytest.mark.parametrize(("times", "kept"), [(1, 0), (2, 1)])
async def test_the_same_event_on_the_same_day_counts_twice_at_least(
    questions: Questions, times: int, kept: int
) -> None:
    events = [Event(1, "X", MARCH_1_MS + n, f"m{n}") for n in range(times)]
    world = World(events, {1: 1})
    await questions.load([world])
    wanted = [cpb.EventFilter(event_name="X")]
    request = pb.QueryRetentionRequest(
        project_id=world.project, initial=wanted, returning=wanted, periods=1
    )
    request.scope.from_time_ms = MARCH_1_MS
    request.scope.to_time_ms = MARCH_1_MS + DAY_MS
    answer = await questions.rpc.QueryRetention(request, None)
    assert answer.cohorts[0].points[0].retained.persons == kept


async def test_the_total_is_over_finished_days_alone(questions: Questions) -> None:
    """Model 5, retention: 0.83 %."""
    cohorts, kept = [6180, 5732, 5497, 800], [6, 76, 65, 4]
    events, person = [], 0
    for day, (people, back) in enumerate(zip(cohorts, kept, strict=True)):
        for place in range(people):
            person += 1
            events.append(Event(person, "X", MARCH_1_MS + day * DAY_MS))
            if place < back:
                events.append(Event(person, "Y", MARCH_1_MS + (day + 3) * DAY_MS))
    person += 1
    events.append(Event(person, "X", MARCH_1_MS + 4 * DAY_MS))
    world = World(events, {n: n for n in range(1, person + 1)})
    await questions.load([world])
    request = pb.QueryRetentionRequest(
        project_id=world.project,
        initial=[cpb.EventFilter(event_name="X")],
        returning=[cpb.EventFilter(event_name="Y")],
    )
    request.scope.as_of_time_ms = MARCH_1_MS + 7 * DAY_MS - 1
    request.scope.from_time_ms = MARCH_1_MS
    answer = await questions.rpc.QueryRetention(request, None)
    total = answer.totals[3]
    assert (total.retained, total.persons) == (sum(kept), sum(cohorts))
    assert round(total.rate, 4) == 0.0083
