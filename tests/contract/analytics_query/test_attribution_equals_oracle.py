"""Attribution equals what plain Python shares out; amounts add up to the last decimal."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.attribution_oracle import SCALE, Conversion, conversions_of, shares
from oracle.condition_oracle import is_meant
from oracle.events_oracle import group_of
from oracle.strategies import AS_OF_MS, HOUR_MS, event_filters
from siyu.analytics.v1 import attribution_pb2 as pb
from siyu.condition.v1 import condition_pb2 as cpb
from support.analytics_cells import cases_of, draw_split, few, lots, members
from support.analytics_questions import Event, Questions, World
from support.analytics_worlds import persons_of, world_of

DAY_MS = 24 * HOUR_MS
MODELS = [model for model in pb.AttributionModel.values() if model]


@st.composite
def questions_of_attribution(draw: st.DrawFn) -> pb.QueryAttributionRequest:
    request = pb.QueryAttributionRequest(
        target=draw(event_filters()),
        amount_property=draw(st.sampled_from(["", "amount"])),
        touches=draw(st.lists(event_filters(), min_size=1, max_size=2)),
        window_ms=draw(st.sampled_from([1_000, 4 * HOUR_MS, 9 * DAY_MS])),
        model=draw(st.sampled_from(MODELS)),
        half_life_ms=draw(st.sampled_from([HOUR_MS, 7 * DAY_MS])),
        same_property=draw(st.sampled_from(["", "", "kind"])),
    )
    draw_split(draw, request)
    request.scope.from_time_ms = AS_OF_MS - draw(st.sampled_from([8, 200])) * HOUR_MS
    request.scope.to_time_ms = AS_OF_MS - draw(st.sampled_from([-1, 1])) * HOUR_MS
    request.scope.as_of_time_ms = AS_OF_MS
    return request


QUESTIONS = questions_of_attribution()


@few
@given(cases=cases_of(QUESTIONS, 2))
async def test_attribution(questions: Questions, cases: list[Any]) -> None:
    await check_attribution(questions, cases)


@pytest.mark.slow
@pytest.mark.timeout(900)
@lots
@given(cases=cases_of(QUESTIONS, 6))
async def test_attribution_at_length(questions: Questions, cases: list[Any]) -> None:
    await check_attribution(questions, cases)


async def check_attribution(questions: Questions, cases: list[Any]) -> None:
    worlds = [world_of(history) for history, _ in cases]
    await questions.load(worlds)
    for world, (history, request) in zip(worlds, cases, strict=True):
        request.project_id = world.project
        answer = await questions.rpc.QueryAttribution(request, None)
        persons = persons_of(history)
        found = [(n, c) for n, p in persons.items() for c in conversions_of(request, p.events)]
        await check_whole(questions, answer, found)
        await check_rows(questions, request, answer, persons, found)


async def check_whole(
    questions: Questions,
    answer: pb.QueryAttributionResponse,
    found: list[tuple[int, Conversion]],
) -> None:
    project = answer.effective.project_id
    assert answer.conversions == len(found)
    assert await members(questions, project, answer.persons) == {n for n, _ in found}
    direct = [(n, c) for n, c in found if not c.touches]
    assert answer.direct.conversions == len(direct)
    assert await members(questions, project, answer.direct.persons) == {n for n, _ in direct}
    assert scaled(answer.direct.amount) == sum(c.amount for _, c in direct)
    assert scaled(answer.amount) == sum(c.amount for _, c in found)
    rows = [answer.direct, *answer.rows]
    assert sum(scaled(row.amount) for row in rows) == scaled(answer.amount)
    assert sum(scaled(row.credit) for row in rows) == SCALE * len(found)


def scaled(text: str) -> int:
    return int(Decimal(text).scaleb(4))


async def check_rows(
    questions: Questions,
    request: pb.QueryAttributionRequest,
    answer: pb.QueryAttributionResponse,
    persons: Any,
    found: list[tuple[int, Conversion]],
) -> None:
    by = request.breakdown.WhichOneof("by") or ""
    name = getattr(request.breakdown, by) if by else ""

    def kind(event: Any, number: int) -> str | None:
        return group_of(event, persons[number], by, name) if by else str(event.name)

    amounts: dict[Any, int] = defaultdict(int)
    people: dict[Any, set[int]] = defaultdict(set)
    valid: dict[Any, set[str]] = defaultdict(set)
    counted: dict[Any, int] = defaultdict(int)
    for number, conversion in found:
        parts = shares(request, conversion.amount, conversion.event, conversion.touches)
        for part, touch in zip(parts, conversion.touches, strict=True):
            group = kind(touch, number)
            amounts[group] += part
            people[group].add(number)
            valid[group].add(touch.message_id)
        for group in {kind(touch, number) for touch in conversion.touches}:
            counted[group] += 1
    touches: dict[Any, int] = defaultdict(int)
    scope = request.scope
    for number, person in persons.items():
        for event in person.events:
            time_ms = event.event_time_ms
            ranged = scope.from_time_ms - request.window_ms <= time_ms < scope.to_time_ms
            meant = any(is_meant(event, touch) for touch in request.touches)
            if ranged and time_ms <= AS_OF_MS and meant:
                touches[kind(event, number)] += 1
    rows = {None if row.touch.missing else row.touch.value: row for row in answer.rows}
    assert set(rows) == set(touches)
    for group, row in rows.items():
        assert (row.touches, row.conversions) == (touches[group], counted[group])
        assert row.valid_touches == len(valid[group])
        assert await members(questions, request.project_id, row.persons) == people[group]
        # The engine's powers of two may differ in the last bit from Python's.
        exact = request.model != pb.ATTRIBUTION_MODEL_DECAY
        assert abs(scaled(row.amount) - amounts[group]) <= (0 if exact else counted[group])


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (pb.ATTRIBUTION_MODEL_FIRST, ["100", "0", "0", "0"]),
        (pb.ATTRIBUTION_MODEL_LAST, ["0", "0", "0", "100"]),
        (pb.ATTRIBUTION_MODEL_LINEAR, ["25", "25", "25", "25"]),
        (pb.ATTRIBUTION_MODEL_POSITION, ["40", "10", "10", "40"]),
        (pb.ATTRIBUTION_MODEL_DECAY, ["14.02", "20.84", "30.96", "34.18"]),
    ],
)
async def test_four_touches_share_a_hundred(
    questions: Questions, model: Any, expected: list[str]
) -> None:
    """Model 8, attribution."""
    shown = await shared(questions, [1, 5, 9, 10], model)
    assert [round(amount, 2) for amount in shown] == [Decimal(text) for text in expected]
    assert sum(shown) == 100


@pytest.mark.parametrize(
    ("days", "expected"), [([1, 5, 9], [40, 20, 40]), ([1, 5], [50, 50]), ([1], [100])]
)
async def test_position_of_fewer_touches(
    questions: Questions, days: list[int], expected: list[int]
) -> None:
    """Model 8, attribution: three touches, two, and one."""
    assert await shared(questions, days, pb.ATTRIBUTION_MODEL_POSITION) == expected


async def shared(questions: Questions, days: list[int], model: Any) -> list[Decimal]:
    events = [Event(1, "click", day * DAY_MS, properties={"day": f"{day:02}"}) for day in days]
    events.append(Event(1, "deposit", 11 * DAY_MS, properties={"yuan": 100.0}))
    world = World(events, {1: 1})
    await questions.load([world])
    request = pb.QueryAttributionRequest(
        project_id=world.project,
        target=cpb.EventFilter(event_name="deposit"),
        amount_property="yuan",
        touches=[cpb.EventFilter(event_name="click")],
        window_ms=30 * DAY_MS,
        model=model,
    )
    request.breakdown.event_property = "day"
    answer = await questions.rpc.QueryAttribution(request, None)
    assert not answer.direct.conversions
    rows = {row.touch.value: Decimal(row.amount) for row in answer.rows}
    return [rows[day] for day in sorted(rows)]
