"""FX-M1 through the whole platform: the turning point, its buckets, and the two audiences."""

import pytest

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1 import question_pb2
from siyu.condition.v1 import condition_pb2 as cond
from siyu.segment.v1 import segment_service_pb2 as segment_pb
from siyu_client.client import call
from siyu_demo.fixtures import FxM1, fx_m1
from support.living_platform import DAY_MS, all_of, count, event, now_ms

pytestmark = pytest.mark.e2e
PROJECT = "magic"


async def test_the_turning_point_and_its_audiences(living):
    start = now_ms() - 13 * DAY_MS
    await living.await_events(await living.send_by_http(fx_m1(start)))
    definition = pb.ConversionDefinition(
        scope=question_pb2.Scope(from_time_ms=start, to_time_ms=now_ms()),
        start=event("deposit", is_first=True),
        goal=event("trade"),
        behaviour=event("news_view"),
    )
    point = await call(
        living.client.analytics.FindTurningPoint,
        pb.FindTurningPointRequest(project_id=PROJECT, definition=definition, max_k=9),
    )
    assert [round(candidate.phi, 4) for candidate in point.candidates] == FxM1.PHI
    assert point.k == FxM1.TURNING_POINT
    at_k = point.candidates[point.k - 1]
    assert (
        at_k.true_positive,
        at_k.false_positive,
        at_k.false_negative,
        at_k.true_negative,
    ) == FxM1.CONTINGENCY

    conversion = await call(
        living.client.analytics.QueryConversion,
        pb.QueryConversionRequest(project_id=PROJECT, definition=definition, bounds=[3, 6]),
    )
    buckets = conversion.buckets
    assert [(b.converted.persons, b.persons.persons) for b in buckets] == FxM1.BUCKETS
    assert (buckets[2].rate.low, buckets[2].rate.high) == pytest.approx((0.495, 0.779), abs=5e-4)
    for bucket in buckets:
        assert await living.members(bucket.converted) <= await living.members(bucket.persons)

    below = await _segment(living, "below k", [count("news_view", cond.OPERATOR_LT, point.k)])
    four = await _segment(living, "up to 4", [count("news_view", cond.OPERATOR_LE, 4)])
    reached = await _segment(living, "1 to 4", [count("news_view", cond.OPERATOR_BETWEEN, 1, 4)])
    assert below == FxM1.AUDIENCE_BELOW_TURNING_POINT
    assert four == FxM1.AUDIENCE_UP_TO_FOUR
    assert reached == FxM1.AUDIENCE_ONE_TO_FOUR


async def _segment(living, name, views):
    """Create and refresh "first deposit, no trade, and views"; its size."""
    condition = all_of(
        count("deposit", cond.OPERATOR_GE, 1), count("trade", cond.OPERATOR_EQ, 0), *views
    )
    created = await call(
        living.client.segment.CreateSegment,
        segment_pb.CreateSegmentRequest(
            project_id=PROJECT,
            request_id=f"create {name}",
            segment=segment_pb.Segment(name=name, condition=condition),
        ),
    )
    request = segment_pb.RefreshSegmentRequest(
        project_id=PROJECT,
        request_id=f"refresh {name}",
        segment_id=created.segment.segment_id,
        freshness=await living.await_feeds(),
    )
    run = (await call(living.client.segment.RefreshSegment, request)).run
    listing = segment_pb.ListSegmentMembersRequest(
        project_id=PROJECT, segment_id=created.segment.segment_id
    )
    members = (await call(living.client.segment.ListSegmentMembers, listing)).person_nos
    assert len(members) == run.size
    return run.size
