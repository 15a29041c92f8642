"""From the trace of an SDK's POST, parents and links lead to the span of the delivery receipt."""

import httpx
import pytest

from siyu_kit import metric_defs
from siyu_kit.metric_defs import StateDef
from support.prometheus import definitions
from support.span_graph import dangling, way

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
PROJECT = "watched"
RECEIPT = "siyu.touch.v1.TouchService/RecordReceipts"


async def test_one_event_is_seen_from_the_post_to_the_receipt(travelled, receiver, eventually):
    post, *_ = await eventually(lambda: receiver.named("POST /v1/batch", "siyu-collect"))

    def receipts():
        return [span for span in receiver.named(RECEIPT) if span.links]

    await eventually(lambda: len(receipts()) == 2 and not dangling(receiver.spans, post.ids))
    by_push, by_app = receipts()
    names = [span.name for span in way(receiver.spans, post.ids, by_push.ids)]
    assert names == [
        "POST /v1/batch",
        "publish events",
        "process events",
        "siyu.analytics.v1.AnalyticsService/EvaluateAudience",
        "siyu.analytics.v1.AnalyticsService/EvaluateAudience",
        "siyu.segment.v1.SegmentService/RefreshSegment",
        "siyu.segment.v1.SegmentService/GetAudience",
        "siyu.segment.v1.SegmentService/GetAudience",
        "siyu.touch.v1.TouchService/LaunchCampaign",
        "dispatch push",
        "push",
        RECEIPT,
    ]
    names = [span.name for span in way(receiver.spans, post.ids, by_app.ids)]
    assert names[-2:] == ["dispatch in_app", RECEIPT]
    told = {span.name for span in receiver.spans.values() if span.ids[0] == by_push.ids[0]}
    assert {"publish touch", "siyu.collect.v1.CollectService/Ingest", "publish events"} <= told


async def test_the_provider_is_told_the_trace_of_the_attempt(travelled, receiver, push):
    (message,) = push.messages()
    (attempt,) = receiver.named("push")
    assert message.send_key == travelled.pushed.send_key
    assert message.headers["traceparent"] == f"00-{attempt.ids[0]}-{attempt.ids[1]}-01"
    assert (attempt.kind, attempt.attributes["http.response.status_code"]) == ("CLIENT", 200)


async def test_sends_and_decisions_are_counted(travelled, receiver, eventually):
    def count(state, channel):
        of = {"project_id": PROJECT, "channel": channel, "state": state}
        return sum(point.value for point in receiver.series("siyu_touch_sends_total", **of))

    await eventually(lambda: count("delivered", "push") == count("read", "in_app") == 1)
    assert (count("attempting", "push"), count("accepted", "push")) == (1, 1)
    assert count("accepted", "in_app") == 1
    decided = receiver.series("siyu_touch_decisions_total", project_id=PROJECT)
    assert {point.attributes["outcome"]: point.value for point in decided} == {"send": 1}


async def test_every_state_is_reported(travelled, receiver, eventually):
    seldom = {
        metric_defs.DEAD_LETTERS_OPEN,
        metric_defs.TOUCH_OLDEST,
        metric_defs.TOUCH_OPEN,
        metric_defs.TOUCH_UNKNOWN,
    }
    states = {one.name for one in definitions() if isinstance(one, StateDef) and one not in seldom}

    def missing():
        return states - {point.name for point in receiver.points.values()}

    await eventually(lambda: not missing())
    ready = {point.service for point in receiver.series("siyu_service_ready") if point.value == 1}
    assert len(ready) == 6
    behind = receiver.series("siyu_stream_behind_entries", topic="events")
    assert {(point.attributes["reader"], point.attributes["partition"]) for point in behind} == {
        (reader, partition)
        for reader in ("identity", "analytics", "profile")
        for partition in ("0", "1")
    }


async def test_a_callers_traceparent_is_gone_on_with(watched, receiver, eventually):
    key = watched.write_keys[PROJECT]
    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    async with httpx.AsyncClient(base_url=watched.http_url, auth=(key, "")) as door:
        answer = await door.post(
            "/v1/track",
            json={"userId": "C7000002", "event": "news_view", "messageId": "given"},
            headers={"traceparent": f"00-{trace}-{span}-01"},
        )
        assert answer.json()["accepted"] == 1

    def served():
        found = receiver.named("POST /v1/{call}")
        return next((one for one in found if one.ids[0] == trace), None)

    seen = await eventually(served)
    assert (seen.parent, seen.kind) == (span, "SERVER")
    assert seen.attributes["http.response.status_code"] == 200
