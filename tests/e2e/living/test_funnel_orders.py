"""The funnel rows on which vendors differ, each under its name."""

import pytest

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1 import question_pb2
from siyu_client.client import call
from siyu_demo.fixtures import SEQUENCES, sequence_records
from siyu_demo.fixtures.sequences import WINDOW_MS
from support.living_platform import DAY_MS, HOUR_MS, event, now_ms

pytestmark = pytest.mark.e2e
PROJECT = "orders"


async def test_orders_reach_the_depths_of_their_semantics(living):
    start = now_ms() - 5 * DAY_MS
    people = {f"order-{number}": sequence for number, sequence in enumerate(SEQUENCES)}
    records = [
        record
        for person, sequence in people.items()
        for record in sequence_records(sequence, start, person)
    ]
    await living.await_events(await living.send_by_http(records))
    numbers = await living.person_nos([("customer_no", person) for person in people])
    scope = question_pb2.Scope(from_time_ms=start - HOUR_MS, to_time_ms=start + 4 * DAY_MS)
    for order, expected in (
        (pb.FUNNEL_ORDER_SEQUENTIAL, [s.sequential for s in SEQUENCES]),
        (pb.FUNNEL_ORDER_STRICT, [s.strict for s in SEQUENCES]),
    ):
        depths = dict.fromkeys(numbers, 0)
        for letters in ("ABCDE", "ABC"):
            request = pb.QueryFunnelRequest(
                project_id=PROJECT,
                scope=scope,
                steps=[event(f"step_{letter}") for letter in letters],
                window_ms=WINDOW_MS,
                order=order,
            )
            answer = await call(living.client.analytics.QueryFunnel, request)
            asked = {
                number
                for number, sequence in zip(numbers, SEQUENCES, strict=True)
                if sequence.steps == letters
            }
            for depth, step in enumerate(answer.total.steps, start=1):
                for number in asked & await living.members(step.reached):
                    depths[number] = depth
        assert list(depths.values()) == expected
