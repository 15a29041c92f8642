"""An anonymous entry on one device and a completion on another are one person's conversion."""

import asyncio
import time

import pytest
from pyroaring import BitMap

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1 import question_pb2
from siyu.collect.v1 import collect_service_pb2 as collect_pb
from siyu.condition.v1 import condition_pb2 as cond
from siyu.event.v1 import event_pb2 as event_pb
from siyu.type.v1 import identifier_pb2, result_key_pb2
from siyu_client.client import call
from support.living_platform import DAY_MS, HOUR_MS, event, moment, now_ms

pytestmark = [pytest.mark.e2e, pytest.mark.alone]
PROJECT = "devices"
PHONE, LAPTOP = ("device_id", "phone-1"), ("anonymous_id", "laptop-1")
CUSTOMER = ("customer_no", "880001")
VISIBLE_S = 2.0


def track(name, message_id, when, *ids, login=False):
    return event_pb.Event(
        message_id=message_id,
        ids=[identifier_pb2.Identifier(type=kind, value=value) for kind, value in ids],
        kind=event_pb.EVENT_KIND_TRACK,
        name=name,
        client_time_ms=when,
        event_time_ms=when,
        evidence_class=identifier_pb2.EVIDENCE_CLASS_AUTHENTICATED if login else 0,
    )


async def ingest(living, *events):
    request = collect_pb.IngestRequest(project_id=PROJECT, events=events)
    answer = await call(living.client.collect.Ingest, request)
    assert (answer.accepted, len(answer.refused)) == (len(events), 0), answer


async def converted(living, start, freshness=None):
    """The persons who converted, asked three ways that must agree at one moment."""
    scope = question_pb2.Scope(from_time_ms=start, to_time_ms=now_ms(), freshness=freshness)
    steps = [event("entry"), event("done")]
    asked = cond.Condition(
        event_sequence=cond.EventSequenceCondition(steps=steps, within_ms=DAY_MS)
    )
    while True:
        funnel = await call(
            living.client.analytics.QueryFunnel,
            pb.QueryFunnelRequest(project_id=PROJECT, scope=scope, steps=steps, window_ms=DAY_MS),
        )
        audience = await call(
            living.client.analytics.EvaluateAudience,
            pb.EvaluateAudienceRequest(project_id=PROJECT, condition=asked, freshness=freshness),
        )
        cell = funnel.total.steps[1].reached
        listed, total, listed_at = await living.listed(cell)
        if moment(funnel.key) == moment(audience.key) == listed_at:
            members = set(BitMap.deserialize(audience.bitmap))
            assert members == listed
            assert cell.persons == audience.persons == total == len(listed)
            return listed


async def test_one_person_on_two_devices_and_back(living):
    start = now_ms() - HOUR_MS
    await ingest(
        living,
        track("entry", "e1", start + 60_000, LAPTOP),
        track("done", "d1", start + 120_000, PHONE, CUSTOMER),
    )
    await living.await_events(2)
    assert await converted(living, start) == set()

    logged_in = time.monotonic()
    await ingest(living, track("login", "l1", now_ms(), CUSTOMER, LAPTOP, login=True))
    while not (found := await converted(living, start)):
        assert time.monotonic() - logged_in < VISIBLE_S, "the login is not seen in 2 s"
        await asyncio.sleep(0.05)
    assert time.monotonic() - logged_in < VISIBLE_S
    assert found == set(await living.person_nos([CUSTOMER]))
    assert await living.person_nos([LAPTOP]) == await living.person_nos([CUSTOMER])

    sequence = await living.unlink(CUSTOMER, LAPTOP)
    assert sequence > 0
    after = result_key_pb2.Freshness(min_identity_sequence=sequence)
    assert await converted(living, start, after) == set()
    assert await living.person_nos([LAPTOP]) != await living.person_nos([CUSTOMER])
