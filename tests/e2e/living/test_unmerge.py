"""Two persons are linked and unlinked again: whoever counted or targeted sees it as before."""

import asyncio
from dataclasses import dataclass

import pytest
from pyroaring import BitMap

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1 import question_pb2
from siyu.collect.v1 import collect_service_pb2 as collect_pb
from siyu.condition.v1 import condition_pb2 as cond
from siyu.event.v1 import event_pb2 as event_pb
from siyu.identity.v1 import identity_service_pb2 as identity_pb
from siyu.profile.v1 import profile_service_pb2 as profile_pb
from siyu.type.v1 import identifier_pb2, result_key_pb2
from siyu.type.v1.value_pb2 import Value
from siyu_client.client import call
from support.living_platform import DAY_MS, HOUR_MS, count, event, now_ms
from support.outreach import outreach

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
PROJECT = "unmerge"
ANN, BEN = ("customer_no", "A0001"), ("mobile", "+8613900008888")
DAYS = 8
ANN_PHONE, BEN_PHONE = ("device_id", "phone-of-ann"), ("device_id", "phone-of-ben")


def identifier(pair):
    return identifier_pb2.Identifier(type=pair[0], value=pair[1])


def track(name, message_id, when, *ids, login=False):
    return event_pb.Event(
        message_id=message_id,
        ids=[identifier(item) for item in ids],
        kind=event_pb.EVENT_KIND_TRACK,
        name=name,
        client_time_ms=when,
        event_time_ms=when,
        evidence_class=identifier_pb2.EVIDENCE_CLASS_AUTHENTICATED if login else 0,
    )


async def months_of_events(living, start):
    """Ann enters on her phone, Ben completes on his; both log in now and then."""
    events = []
    for day in range(DAYS):
        when = start + day * DAY_MS
        events += [
            track("entry", f"ann-{day}", when, ANN_PHONE),
            track("login", f"ann-in-{day}", when + HOUR_MS, ANN, ANN_PHONE, login=True),
            track("done", f"ben-{day}", when + 2 * HOUR_MS, BEN_PHONE),
            track("login", f"ben-in-{day}", when + 3 * HOUR_MS, BEN, BEN_PHONE, login=True),
        ]
    request = collect_pb.IngestRequest(project_id=PROJECT, events=events)
    answer = await call(living.client.collect.Ingest, request)
    assert (answer.accepted, len(answer.refused)) == (len(events), 0), answer
    await living.await_events(len(events))


async def stated(living):
    """A trait of each; both take messages in the app, and Ben wants no push."""
    await call(
        living.client.profile.ApplyTraits,
        profile_pb.ApplyTraitsRequest(
            project_id=PROJECT,
            operations=[
                profile_pb.TraitOperation(
                    operation_id=f"city-{who[1]}", identifier=identifier(who), trait="city",
                    kind=profile_pb.TRAIT_OPERATION_KIND_SET, value=Value(string_value=city),
                    event_time_ms=1_000,
                )
                for who, city in ((ANN, "上海"), (BEN, "北京"))
            ],
        ),
    )  # fmt: skip
    said = [(ANN, "push", True), (BEN, "push", False), (ANN, "in_app", True), (BEN, "in_app", True)]
    answer = await call(
        living.client.profile.RecordConsents,
        profile_pb.RecordConsentsRequest(
            project_id=PROJECT,
            consents=[
                profile_pb.Consent(
                    consent_id=f"{channel}-{who[1]}", identifier=identifier(who), channel=channel,
                    purpose="marketing", granted=granted, text_version="v1", evidence="e",
                    event_time_ms=1_000,
                )
                for who, channel, granted in said
            ],
        ),
    )  # fmt: skip
    assert all(result.status.code == 0 for result in answer.results), answer


@dataclass
class Seen:
    """What whoever counts and targets says at one identity sequence."""

    funnel: list[int]
    audience: set[int]
    persons: list[int]
    members: set[int]
    explained: list[tuple]


async def seen(living, reach, start, sequence):
    fresh = result_key_pb2.Freshness(min_identity_sequence=sequence)
    scope = question_pb2.Scope(from_time_ms=start, to_time_ms=now_ms(), freshness=fresh)
    funnel = await call(
        living.client.analytics.QueryFunnel,
        pb.QueryFunnelRequest(
            project_id=PROJECT, scope=scope, steps=[event("entry"), event("done")],
            window_ms=DAY_MS,
        ),
    )  # fmt: skip
    asked = count("done", cond.OPERATOR_GE, 1)
    audience = await call(
        living.client.analytics.EvaluateAudience,
        pb.EvaluateAudienceRequest(project_id=PROJECT, condition=asked, freshness=fresh),
    )
    run = await reach.refresh(fresh)
    persons = await living.person_nos([ANN, BEN, ANN_PHONE, BEN_PHONE])
    return Seen(
        [step.reached.persons for step in funnel.total.steps],
        set(BitMap.deserialize(audience.bitmap)),
        persons,
        await reach.members(run.run_id),
        [await reach.explanation(number) for number in persons[:2]],
    )


async def history(reach, campaigns, persons):
    """What touch keeps about campaigns and these persons; what each finds in the inbox."""
    return [
        [await reach.sends(campaign_id) for campaign_id in campaigns],
        [await reach.explained(c, number) for c in campaigns for number in persons],
        [await reach.inbox(who) for who in (ANN, BEN)],
    ]


async def profiles(living):
    """City and consents of each."""
    found = {}
    for who, number in zip((ANN, BEN), await living.person_nos([ANN, BEN]), strict=True):
        request = profile_pb.GetProfileRequest(project_id=PROJECT, person_no=number)
        profile = (await call(living.client.profile.GetProfile, request)).profile
        city = [t.value.string_value for t in profile.traits if t.name == "city"]
        found[who] = city, {item.channel: item.granted for item in profile.consents}
    return found


async def until(living, holds):
    """Profiles follow the feed a moment later."""
    for _ in range(400):
        found = await profiles(living)
        if holds(found):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(found)


async def linked(living):
    """A wrong link of the two persons; its sequence."""
    evidence = identity_pb.Evidence(
        evidence_id="wrong",
        ids=[identifier(ANN), identifier(BEN)],
        evidence_class=identifier_pb2.EVIDENCE_CLASS_CORE_SYSTEM,
        event_time_ms=now_ms(),
        source="a file",
    )
    request = identity_pb.LinkRequest(project_id=PROJECT, evidence=evidence)
    return (await call(living.client.identity.Link, request)).sequence


async def test_link_and_unlink_leave_everything_but_opt_outs_as_it_was(living):
    start = now_ms() - (DAYS + 1) * DAY_MS
    await months_of_events(living, start)
    await stated(living)
    fresh = await living.await_feeds()
    granted, withdrawn = {"in_app": True, "push": True}, {"in_app": True, "push": False}
    alone = {ANN: (["上海"], granted), BEN: (["北京"], withdrawn)}
    await until(living, lambda found: found == alone)
    async with outreach(living) as reach:
        await reach.define(count("login", cond.OPERATOR_GE, DAYS))
        first = await reach.refresh(fresh)
        before = await seen(living, reach, start, fresh.min_identity_sequence)
        ann, ben = before.persons[:2]
        assert (before.funnel, before.audience, before.members) == ([1, 0], {ben}, {ann, ben})
        assert before.persons == [ann, ben, ann, ben]
        assert all(published and now for published, now, _ in before.explained)
        # Each has one message, and a second one is over the cap.
        campaigns = [await reach.campaign(1, 7), await reach.campaign(1, 7)]
        past = await history(reach, campaigns, (ann, ben))
        one = {"cap": "1", "days": "7", "messages_before": "1"}
        capped = [await reach.cap_of(campaigns[1], number) for number in (ann, ben)]
        assert capped == [(False, one), (False, one)]
        assert [len(found) for found in past[2]] == [1, 1]

        merged = await seen(living, reach, start, await linked(living))
        (both,) = set(merged.persons)
        assert (merged.funnel, merged.audience, merged.members) == ([1, 1], {both}, {both})
        assert merged.explained != before.explained
        await until(living, lambda found: found[ANN] == found[BEN] and found[ANN][1] == withdrawn)
        # One person had two messages; what was sent to two persons stays sent to two.
        over = await reach.campaign(2, 7)
        two = {"cap": "2", "days": "7", "messages_before": "2"}
        assert await reach.cap_of(over, both) == (False, two)
        together = sorted([*past[2][0], *past[2][1]])
        sent, decided, inboxes = await history(reach, campaigns, (ann, ben))
        assert ([sent, decided], inboxes) == (past[:2], [together, together])
        assert await reach.members(first.run_id) == before.members

        sequence = await living.unlink(ANN, BEN)
        assert await seen(living, reach, start, sequence) == before
        # An opt-out stays on both sides, whoever of the two it was.
        expected = {ANN: (["上海"], withdrawn), BEN: (["北京"], withdrawn)}
        await until(living, lambda found: found == expected)
        assert await history(reach, campaigns, (ann, ben)) == past
        assert await reach.members(first.run_id) == before.members
        assert await reach.run(first.run_id) == first
        again = await reach.campaign(1, 7)
        assert [await reach.cap_of(again, number) for number in (ann, ben)] == capped
        # As if nobody had ever been linked: there is room for one more each.
        more = await reach.campaign(2, 7)
        assert [(await reach.cap_of(more, number))[0] for number in (ann, ben)] == [True, True]
