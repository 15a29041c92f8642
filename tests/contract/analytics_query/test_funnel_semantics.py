"""Funnel orders drawn by hand, vendors' presets, breakdown by a later step, and the trend."""

from typing import Any

import pytest

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1 import question_pb2
from siyu.condition.v1 import condition_pb2 as cpb
from support.analytics_cells import members
from support.analytics_questions import Event, Questions, World

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
START_MS = 1_790_006_400_000 + 9 * HOUR_MS  # 2026-09-22 09:00 in Shanghai
SEQUENTIAL, STRICT, DEDUP, ANY, TOLERANT, NEAREST = range(1, 7)


def world_of(letters: str, *properties: dict[str, Any]) -> World:
    """One person's events, an hour apart; a dot is an event of no step."""
    events = [
        Event(
            1,
            letter.replace(".", "other"),
            START_MS + hour * HOUR_MS,
            f"m{hour}",
            properties[hour] if hour < len(properties) else {},
        )
        for hour, letter in enumerate(letters)
    ]
    return World(events, {1: 1})


def steps(letters: str) -> list[cpb.EventFilter]:
    return [cpb.EventFilter(event_name=letter) for letter in letters]


async def depth(questions: Questions, world: World, **fields: Any) -> int:
    await questions.load([world])
    request = pb.QueryFunnelRequest(project_id=world.project, steps=steps("ABC"), **fields)
    answer = await questions.rpc.QueryFunnel(request, None)
    return sum(step.reached.persons for step in answer.total.steps)


@pytest.mark.parametrize(
    ("letters", "depths"),
    [
        ("AB.C", [3, 3, 3, 3, 3, 3]),
        ("ACBC", [3, 1, 3, 3, 3, 3]),
        ("ABAC", [3, 2, 2, 3, 3, 3]),
        ("CBA", [1, 1, 1, 3, 3, 1]),
        ("ABBC", [3, 2, 2, 3, 3, 3]),
        ("..", [0, 0, 0, 0, 0, 0]),
    ],
)
async def test_orders_go_as_deep_as_they_are_drawn(
    questions: Questions, letters: str, depths: list[int]
) -> None:
    orders = (SEQUENTIAL, STRICT, DEDUP, ANY, TOLERANT, NEAREST)
    found = [await depth(questions, world_of(letters), order=order) for order in orders]
    assert found == depths


async def test_what_happened_today_is_looked_at_by_the_hour(questions: Questions) -> None:
    for as_of_ms, expected in ((START_MS + 5 * HOUR_MS, 1), (START_MS + DAY_MS, 3)):
        scope = question_pb2.Scope(as_of_time_ms=as_of_ms)
        found = await depth(questions, world_of("CBA"), order=TOLERANT, scope=scope)
        assert found == expected


@pytest.mark.parametrize(("order", "expected"), [(SEQUENTIAL, 2), (NEAREST, 3)])
async def test_an_exclusion_ends_the_chain_of_the_first_event(
    questions: Questions, order: Any, expected: int
) -> None:
    exclusion = pb.FunnelExclusion(event=cpb.EventFilter(event_name="X"), from_step=1, to_step=2)
    found = await depth(questions, world_of("ABXBC"), order=order, exclusions=[exclusion])
    assert found == expected


@pytest.mark.parametrize(
    ("order", "system"), [(SEQUENTIAL, "Android"), (STRICT, "iOS"), (NEAREST, "iOS")]
)
async def test_the_entry_decides_the_group(questions: Questions, order: Any, system: str) -> None:
    """Model 6, funnel: A (Android), A (iOS), B, C by system."""
    world = world_of("AABC", {"os": "Android"}, {"os": "iOS"})
    await questions.load([world])
    request = pb.QueryFunnelRequest(project_id=world.project, steps=steps("ABC"), order=order)
    request.breakdown.event_property = "os"
    answer = await questions.rpc.QueryFunnel(request, None)
    assert [group.group.value for group in answer.groups] == [system]


@pytest.mark.parametrize(("products", "expected"), [((1, 2, 2), 2), ((1, 2), 1)])
async def test_steps_share_the_product(
    questions: Questions, products: tuple[int, ...], expected: int
) -> None:
    letters = "A" * (len(products) - 1) + "B"
    world = world_of(letters, *({"product": str(number)} for number in products))
    found = await depth(questions, world, same_property="product")
    assert found == expected


async def test_who_does_not_reach_the_step_has_no_value_of_it(questions: Questions) -> None:
    """S-058."""
    events = [Event(n, "A", START_MS) for n in (1, 2, 3)]
    for n, way in ((1, "one-way"), (2, "two-way")):
        events.append(Event(n, "B", START_MS + 5, properties={"video": way}))
    events.append(Event(1, "C", START_MS + 9))
    world = World(events, {n: n for n in (1, 2, 3)})
    await questions.load([world])
    request = pb.QueryFunnelRequest(project_id=world.project, steps=steps("ABC"), breakdown_step=1)
    request.breakdown.event_property = "video"
    answer = await questions.rpc.QueryFunnel(request, None)
    found = {
        (group.group.value, group.group.missing): [s.reached.persons for s in group.steps]
        for group in answer.groups
    }
    expected = {
        ("one-way", False): [1, 1, 1],
        ("two-way", False): [1, 1, 0],
        ("", True): [1, 0, 0],
    }
    assert found == expected


async def test_each_day_is_computed_on_its_own(questions: Questions) -> None:
    """Model 6, funnel: 75 % of each day, 50 % of all."""
    people = {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6}
    events = []
    for day, entered in enumerate(("abcd", "bcde", "bcdf")):
        for name in entered:
            time = START_MS + day * DAY_MS
            events.append(Event(people[name], "A", time))
            if name in "bcd":
                events.append(Event(people[name], "B", time + HOUR_MS))
    world = World(events, {n: n for n in people.values()})
    await questions.load([world])
    request = pb.QueryFunnelRequest(
        project_id=world.project, steps=steps("AB"), trend=question_pb2.GRANULARITY_DAY
    )
    request.scope.from_time_ms = START_MS
    request.scope.to_time_ms = START_MS + 3 * DAY_MS
    answer = await questions.rpc.QueryFunnel(request, None)
    assert answer.total.overall_rate == 0.5
    # The range begins at nine, so that it meets four days, the last of them empty.
    assert [group.overall_rate for group in answer.trend] == [0.75, 0.75, 0.75, 0.0]
    first = answer.trend[0].steps[0].lost
    assert await members(questions, world.project, first) == {people["a"]}


@pytest.mark.parametrize(
    ("preset", "order", "days"),
    [
        (pb.FUNNEL_PRESET_UNSPECIFIED, SEQUENTIAL, 7),
        (pb.FUNNEL_PRESET_ARK, STRICT, 7),
        (pb.FUNNEL_PRESET_SENSORS, SEQUENTIAL, 30),
        (pb.FUNNEL_PRESET_GROWINGIO, TOLERANT, 1),
        (pb.FUNNEL_PRESET_POSTHOG, SEQUENTIAL, 14),
    ],
)
async def test_a_preset_fills_in_what_is_not_said(
    questions: Questions, preset: Any, order: Any, days: int
) -> None:
    request = pb.QueryFunnelRequest(project_id="nobody", steps=steps("AB"), preset=preset)
    answer = await questions.rpc.QueryFunnel(request, None)
    assert (answer.effective.order, answer.effective.window_ms) == (order, days * DAY_MS)
    request.order, request.window_ms = NEAREST, DAY_MS
    answer = await questions.rpc.QueryFunnel(request, None)
    assert (answer.effective.order, answer.effective.window_ms) == (NEAREST, DAY_MS)
