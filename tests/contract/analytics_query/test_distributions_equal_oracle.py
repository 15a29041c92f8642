"""Distributions equal what plain Python finds; the paper's examples, number and list."""

from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.calendar_oracle import period_start
from oracle.distribution_oracle import value_of
from oracle.events_oracle import group_of, meant
from oracle.strategies import AS_OF_MS, HOUR_MS, ZONES, event_filters
from siyu.analytics.v1 import distribution_pb2 as pb
from siyu.analytics.v1 import question_pb2
from siyu.condition.v1 import condition_pb2 as cpb
from support.analytics_cells import cases_of, draw_split_over_time, few, lots, members
from support.analytics_questions import Event, Questions, World
from support.analytics_worlds import persons_of, world_of

LOW, TO = AS_OF_MS - 30 * HOUR_MS, AS_OF_MS + HOUR_MS
BOUNDS = [-1.0, 0.29, 1.0, 2.5, 4.0]


@st.composite
def questions_of_distributions(draw: st.DrawFn) -> pb.QueryDistributionRequest:
    measure = draw(st.sampled_from([m for m in pb.DistributionMeasure.values() if m]))
    name = "amount" if measure >= pb.DISTRIBUTION_MEASURE_SUM else ""
    request = pb.QueryDistributionRequest(
        event=draw(event_filters()),
        measure=measure,
        measure_property=name,
        granularity=draw(st.sampled_from(question_pb2.Granularity.values())),
        bounds=draw(st.sampled_from([[], BOUNDS])),
        grid=draw(st.booleans()),
    )
    draw_split_over_time(draw, request)
    request.scope.from_time_ms, request.scope.to_time_ms = LOW, TO
    request.scope.as_of_time_ms = AS_OF_MS
    request.scope.zone = draw(st.sampled_from(ZONES))
    return request


QUESTIONS = questions_of_distributions()


@few
@given(cases=cases_of(QUESTIONS, 3))
async def test_distributions(questions: Questions, cases: list[Any]) -> None:
    await check_distributions(questions, cases)


@pytest.mark.slow
@pytest.mark.timeout(900)
@lots
@given(cases=cases_of(QUESTIONS, 6))
async def test_distributions_at_length(questions: Questions, cases: list[Any]) -> None:
    await check_distributions(questions, cases)


async def check_distributions(questions: Questions, cases: list[Any]) -> None:
    worlds = [world_of(history) for history, _ in cases]
    await questions.load(worlds)
    for world, (history, request) in zip(worlds, cases, strict=True):
        request.project_id = world.project
        answer = await questions.rpc.QueryDistribution(request, None)
        by = request.breakdown.WhichOneof("by") or ""
        name = getattr(request.breakdown, by) if by else ""
        persons, zone = persons_of(history), request.scope.zone
        items = meant(persons, request.event, LOW, AS_OF_MS + 1)
        rows: dict[Any, dict[int, list[Any]]] = defaultdict(lambda: defaultdict(list))
        for number, event in items:
            start = period_start(event.event_time_ms, request.granularity, zone)
            rows[start, group_of(event, persons[number], by, name)][number].append(event)
        await check_rows(questions, request, answer, rows)
        await check_grid(questions, request, answer, items)


async def check_rows(
    questions: Questions,
    request: pb.QueryDistributionRequest,
    answer: pb.QueryDistributionResponse,
    rows: dict[Any, dict[int, list[Any]]],
) -> None:
    found = {}
    for row in answer.rows:
        named = row.HasField("group") and not row.group.missing
        found[row.time_ms, row.group.value if named else None] = row
    expected = {}
    for key, people in rows.items():
        values = {n: v for n, own in people.items() if (v := value_of(request, own)) is not None}
        if values:
            expected[key] = values
    assert set(found) == set(expected)
    for key, values in expected.items():
        row = found[key]
        assert row.persons == len(values)
        assert Decimal(row.total) == sum(values.values(), Decimal(0))
        seen: set[int] = set()
        for bucket in row.buckets:
            inside = {
                n: v
                for n, v in values.items()
                if (bucket.below or v >= Decimal(str(bucket.from_value)))
                and (bucket.above or v < Decimal(str(bucket.to_value)))
            }
            assert await members(questions, request.project_id, bucket.persons) == set(inside)
            assert Decimal(bucket.total) == sum(inside.values(), Decimal(0))
            assert Decimal(bucket.greatest) == max(inside.values(), default=0)
            assert bucket.share == len(inside) / len(values)
            seen |= set(inside)
        assert seen == set(values)


async def check_grid(
    questions: Questions,
    request: pb.QueryDistributionRequest,
    answer: pb.QueryDistributionResponse,
    items: list[Any],
) -> None:
    expected: dict[Any, list[int]] = defaultdict(list)
    for number, event in items if request.grid else []:
        local = datetime.fromtimestamp(event.event_time_ms // 1000, ZoneInfo(request.scope.zone))
        expected[local.isoweekday(), local.hour].append(number)
    assert [(c.weekday, c.hour) for c in answer.grid] == sorted(expected)
    for spot in answer.grid:
        people = expected[spot.weekday, spot.hour]
        assert spot.events == len(people)
        assert await members(questions, request.project_id, spot.persons) == set(people)


async def ask(questions: Questions, events: list[Event], **fields: Any) -> Any:
    world = World(events, {n: n for n in {event.ident for event in events}})
    await questions.load([world])
    request = pb.QueryDistributionRequest(
        project_id=world.project, event=cpb.EventFilter(event_name="trade"), **fields
    )
    return await questions.rpc.QueryDistribution(request, None)


async def test_buckets_are_closed_on_the_left(questions: Questions) -> None:
    """Model 10, distribution."""
    times = {1: 1, 2: 2, 3: 3, 4: 9, 5: 10}
    events = [Event(n, "trade", hour, f"{n}-{hour}") for n, k in times.items() for hour in range(k)]
    answer = await ask(questions, events, bounds=[1, 3, 10])
    assert [bucket.persons.persons for bucket in answer.rows[0].buckets] == [2, 2, 1]


async def test_amounts_of_the_paper_open_into_customers(questions: Questions) -> None:
    """S-136."""
    amounts = [500, 800, 999, 1000, 4999, 5000, 9999, 10000, 49999, 50000, 120000, 1000000]
    events = [
        Event(n, "trade", n, properties={"amount": float(amount)})
        for n, amount in enumerate(amounts, start=1)
    ]
    answer = await ask(
        questions,
        events,
        measure=pb.DISTRIBUTION_MEASURE_SUM,
        measure_property="amount",
        bounds=[0, 1_000, 5_000, 10_000, 50_000, 100_000],
    )
    (row,) = answer.rows
    assert [bucket.persons.persons for bucket in row.buckets] == [3, 2, 2, 2, 1, 2]
    assert Decimal(row.total) == sum(amounts)
    greatest = Decimal(row.buckets[-1].greatest)
    assert round(greatest / Decimal(row.total) * 100, 2) == Decimal("79.79")
    project = answer.effective.project_id
    assert await members(questions, project, row.buckets[-1].persons) == {11, 12}


async def test_trading_hours_peak_before_the_close(questions: Questions) -> None:
    """S-016."""
    trades = {9: 5, 10: 20, 11: 10, 13: 8, 14: 25, 15: 2}
    midnight = 1_790_006_400_000  # 2026-09-22 00:00 in Shanghai, a Tuesday
    events = [
        Event(n + 1, "trade", midnight + hour * HOUR_MS + n)
        for hour, number in trades.items()
        for n in range(number)
    ]
    answer = await ask(questions, events, grid=True)
    found = {spot.hour: spot.events for spot in answer.grid}
    assert found == trades
    assert {spot.weekday for spot in answer.grid} == {2}
    top = sorted(found, key=lambda hour: -found[hour])[:2]
    assert top == [14, 10]
    assert [round(found[hour] / sum(found.values()) * 100, 1) for hour in top] == [35.7, 28.6]


async def test_funds_without_a_term_are_a_group_of_their_own(questions: Questions) -> None:
    """S-101."""
    terms = ["short", "short", "long", None]
    events = [
        Event(n, "trade", n, properties={"amount": 10.0 * n} | ({"term": term} if term else {}))
        for n, term in enumerate(terms, start=1)
    ]
    answer = await ask(
        questions,
        events,
        measure=pb.DISTRIBUTION_MEASURE_SUM,
        measure_property="amount",
        breakdown=question_pb2.Breakdown(event_property="term"),
    )
    found = {(r.group.value, r.group.missing): (r.persons, Decimal(r.total)) for r in answer.rows}
    assert found == {("short", False): (2, 30), ("long", False): (1, 30), ("", True): (1, 40)}
