"""FX-O1 through the whole platform: HTTP in, RPC out."""

import pytest

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1 import question_pb2
from siyu_client.client import call
from siyu_demo.fixtures import FxO1, fx_o1
from siyu_demo.simulator.vocabulary import OPEN_STEPS
from support.living_platform import DAY_MS, HOUR_MS, event, now_ms

pytestmark = pytest.mark.e2e
PROJECT = "opening"
MINUTE_MS = 60_000


async def test_the_opening_funnel(living):
    start = now_ms() - 2 * DAY_MS
    await living.await_events(await living.send_by_http(fx_o1(start)))
    steps = [event("open_step", step=step) for step in OPEN_STEPS]
    scope = question_pb2.Scope(from_time_ms=start - HOUR_MS, to_time_ms=start + DAY_MS)
    request = pb.QueryFunnelRequest(project_id=PROJECT, scope=scope, steps=steps, window_ms=DAY_MS)
    answer = await call(living.client.analytics.QueryFunnel, request)
    reached = [step.reached.persons for step in answer.total.steps]
    assert reached == FxO1.REACHED
    assert [step.step_rate for step in answer.total.steps[1:]] == pytest.approx(FxO1.STEP_RATES)
    assert answer.total.overall_rate == pytest.approx(FxO1.OVERALL)
    medians = [step.median_ms / MINUTE_MS for step in answer.total.steps[1:]]
    assert medians == pytest.approx(FxO1.MEDIAN_MINUTES)
    for step, lost, people in zip(answer.total.steps, FxO1.LOST, FxO1.LOST_PEOPLE, strict=False):
        assert step.lost.persons == lost
        names = [("customer_no", f"fxo1-{name}") for name in sorted(people)]
        assert await living.members(step.lost) == set(await living.person_nos(names))

    for flag, groups in FxO1.GROUPS.items():
        request.breakdown.event_property = flag
        split = await call(living.client.analytics.QueryFunnel, request)
        found = {
            group.group.value == "true": [step.reached.persons for step in group.steps]
            for group in split.groups
        }
        assert found == groups
        assert [sum(column) for column in zip(*found.values(), strict=True)] == reached
        for group in split.groups:
            for step in group.steps:
                await living.members(step.reached)
