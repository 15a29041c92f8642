"""Event analysis: the manual's example, a merged person, and a year before."""

from typing import Any

import pytest

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1 import question_pb2
from siyu.condition.v1 import condition_pb2 as cpb
from support.analytics_questions import Event, Questions, World

DAY_MS = 86_400_000
MIDNIGHT_MS = 1_790_006_400_000
"""2026-09-22 00:00 in Shanghai."""


async def ask(questions: Questions, world: World, **fields: Any) -> pb.QueryEventsResponse:
    await questions.load([world])
    request = pb.QueryEventsRequest(
        project_id=world.project, event=cpb.EventFilter(event_name="buy"), **fields
    )
    request.scope.from_time_ms = MIDNIGHT_MS
    request.scope.to_time_ms = MIDNIGHT_MS + 30 * DAY_MS
    return await questions.rpc.QueryEvents(request, None)


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        (pb.MEASURE_EVENTS_PER_PERSON, "1.6667"),
        (pb.MEASURE_SUM, "150.0000"),
        (pb.MEASURE_AVERAGE, "30.0000"),
        (pb.MEASURE_SUM_PER_PERSON, "50.0000"),
        (pb.MEASURE_MAX, "50.0000"),
        (pb.MEASURE_MIN, "10.0000"),
        (pb.MEASURE_DISTINCT, "5.0000"),
    ],
)
async def test_five_events_of_three_users(
    questions: Questions, measure: Any, expected: str
) -> None:
    """Model 1, event."""
    events = [
        Event(user, "buy", MIDNIGHT_MS + n * DAY_MS, properties={"amount": 10.0 * (n + 1)})
        for n, user in enumerate((1, 1, 2, 2, 3))
    ]
    of_nothing = measure == pb.MEASURE_EVENTS_PER_PERSON
    answer = await ask(
        questions,
        World(events, {1: 1, 2: 2, 3: 3}),
        measure=measure,
        measure_property="" if of_nothing else "amount",
        granularity=question_pb2.GRANULARITY_DAY,
    )
    assert (answer.total.events, answer.total.cell.persons) == (5, 3)
    assert answer.total.measure == expected
    assert sum(row.cell.persons for row in answer.rows) == 5


@pytest.mark.parametrize(
    ("person_of", "active"), [({1: 1, 2: 1, 3: 1}, 1), ({1: 1, 2: 2, 3: 3}, 3)]
)
async def test_three_devices_are_one_active_customer_once_merged(
    questions: Questions, person_of: dict[int, int], active: int
) -> None:
    """S-002."""
    events = [Event(n, "buy", MIDNIGHT_MS + n, properties={"owner": "self"}) for n in person_of]
    answer = await ask(
        questions,
        World(events, person_of),
        granularity=question_pb2.GRANULARITY_MONTH,
        breakdown=question_pb2.Breakdown(event_property="owner"),
    )
    (row,) = answer.rows
    assert (row.group.value, row.cell.persons) == ("self", active)
    assert row.time_ms == MIDNIGHT_MS - 21 * DAY_MS
    assert answer.key.identity_sequence == questions.watermarks.state.identity_sequence


async def test_a_year_before_has_the_groups_of_this_one(questions: Questions) -> None:
    year_ms = 365 * DAY_MS
    events = [Event(1, "buy", MIDNIGHT_MS, properties={"by": "app"})]
    events += [
        Event(2, "buy", MIDNIGHT_MS - year_ms + n, properties={"by": by})
        for n, by in enumerate(("app", "web", "web"))
    ]
    answer = await ask(
        questions,
        World(events, {1: 1, 2: 2}),
        comparison=pb.COMPARISON_LAST_YEAR,
        breakdown=question_pb2.Breakdown(event_property="by"),
    )
    assert (answer.total.events, answer.compared_total.events) == (1, 3)
    found = [(row.group.value, row.group.other, row.events) for row in answer.compared_rows]
    assert found == [("app", False, 1), ("", True, 2)]
