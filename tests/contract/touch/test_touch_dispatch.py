import asyncio

import pytest
from sqlalchemy import select, update

from siyu.touch.v1 import touch_service_pb2 as pb
from siyu_kit.errors import DependencyDown
from siyu_touch.domain.delivery import MAX_ATTEMPTS, Answer, Delivery
from siyu_touch.domain.gates import Consent
from siyu_touch.domain.holdout import holdout_bucket
from siyu_touch.domain.suitability import Rating
from siyu_touch.store import tables

HOUR_MS = 3_600_000


def push(**fields):
    return {"channel": pb.CHANNEL_PUSH} | fields


async def test_everybody_of_the_audience_gets_one_in_app_message(touch):
    campaign = await touch.launched(members=range(1, 51))
    await touch.dispatch()
    assert await touch.counts(campaign) == {("ACCEPTED", "", ""): 50}
    after = await touch.get(campaign)
    assert after.campaign.state == pb.CAMPAIGN_STATE_COMPLETED
    assert (after.summary.audience, after.summary.held_out) == (50, 0)
    told = {(one.event.name, one.event.person_no) for one in await told_events(touch)}
    assert told == {("touch_sent", number) for number in range(1, 51)}


async def told_events(touch):
    relay = asyncio.create_task(touch.relay.run())
    for _ in range(200):
        await touch.clock.advance(0.1)
        await asyncio.sleep(0.02)
        async with touch.database.session() as session:
            from siyu_kit.sql.tables import feed, outbox

            rows = (await session.execute(select(outbox.c.sequence))).scalars().all()
            head = (await session.execute(select(feed.c.published))).scalar() or 0
        if len(rows) == head:
            break
    relay.cancel()
    return touch.sink.taken


async def test_the_hold_out_gets_nothing_and_the_sends_add_up(touch):
    templates = [await touch.template(), await touch.template(**push())]
    campaign = await touch.launched(*templates, members=range(1, 1_001), holdout_basis_points=1_000)
    await touch.dispatch()
    summary = (await touch.get(campaign)).summary
    aside = {
        number
        for number in range(1, 1_001)
        if holdout_bucket("p", campaign.campaign_id, number) < 1_000
    }
    assert summary.held_out == len(aside)
    assert 60 < len(aside) < 140
    for channel in (pb.CHANNEL_IN_APP, pb.CHANNEL_PUSH):
        sends = sum(count.sends for count in summary.counts if count.channel == channel)
        assert sends == summary.audience - summary.held_out
    assert {send.person_no for send in await touch.sends(campaign)}.isdisjoint(aside)
    one = min(aside)
    standing = await touch.explain(campaign, one)
    assert (standing.in_audience, standing.held_out, len(standing.sends)) == (True, True, 0)
    assert standing.holdout_bucket == holdout_bucket("p", campaign.campaign_id, one)
    assert [decision.outcome for decision in standing.decisions] == ["hold_out"] * 2
    assert (await touch.verify()).intact


GATE_CASES = [
    ({"consent": None}, "consent", "CONSENT_MISSING"),
    ({"consent": Consent(granted=False)}, "consent", "CONSENT_WITHDRAWN"),
    ({"rating": None}, "suitability", "NOT_ASSESSED"),
    ({"rating": Rating(5, 1)}, "suitability", "RATING_EXPIRED"),
    ({"rating": Rating(2, 4_000_000_000_000)}, "suitability", "ABOVE_LEVEL"),
    ({"address": "", "address_key": ""}, "address", "NO_ADDRESS"),
    ({"current_person_no": 0}, "address", "PERSON_UNKNOWN"),
    ({"traits": {}}, "template", "TRAIT_MISSING"),
    ({"traits": {"name": "稳赚先生"}}, "template", "FORBIDDEN_WORD"),
]


async def test_each_gate_refuses_with_its_reason(touch):
    for number, (change, _, _) in enumerate(GATE_CASES, 1):
        touch.facts.changes[number] = change
    campaign = await touch.launched(
        await touch.template(**push()),
        members=range(1, len(GATE_CASES) + 2),
        product_risk=pb.PRODUCT_RISK_R3,
    )
    await touch.dispatch()
    sends = await touch.sends(campaign)
    found = [(send.gate, send.reason) for send in sends]
    assert found == [(gate, reason) for _, gate, reason in GATE_CASES] + [("", "")]
    assert [message.address for message in touch.provider.pushed] == [
        f"device-{len(GATE_CASES) + 1}"
    ]
    refused = await touch.explain(campaign, 5)
    assert [verdict.gate for verdict in refused.decisions[0].verdicts] == [
        "kill_switch",
        "content",
        "consent",
        "suitability",
    ]
    assert refused.decisions[0].verdicts[-1].inputs["level"] == "C2"
    events = [one.event for one in await told_events(touch)]
    assert sorted(event.name for event in events) == ["touch_refused"] * 9 + ["touch_sent"]


async def test_a_notice_is_held_by_nothing_but_a_missing_address(touch):
    for number, (change, _, _) in enumerate(GATE_CASES[:6], 1):
        touch.facts.changes[number] = change
    notice = await touch.template(
        **push(message_class=pb.MESSAGE_CLASS_REGULATORY, body="本产品不保本，投资有风险")
    )
    await call_kill(touch, engaged=True)
    campaign = await touch.launched(
        notice,
        members=range(1, 7),
        product_risk=pb.PRODUCT_RISK_R5,
        quiet_hours=pb.QuietHours(from_minute=0, to_minute=1_439),
        frequency_cap=pb.FrequencyCap(messages=1, days=1),
    )
    await touch.dispatch()
    assert await touch.counts(campaign) == {
        ("ACCEPTED", "", ""): 5,
        ("REFUSED", "address", "NO_ADDRESS"): 1,
    }


async def call_kill(touch, *, engaged):
    from siyu_kit.rpc.client import call

    request = pb.SetKillSwitchRequest(project_id="p", engaged=engaged, reason="test")
    return await call(touch.stub.SetKillSwitch, request)


async def test_the_kill_switch_stops_marketing_from_the_next_decision_on(touch):
    first = await touch.launched()
    await touch.dispatch()
    await call_kill(touch, engaged=True)
    second = await touch.launched()
    await touch.dispatch()
    await call_kill(touch, engaged=False)
    third = await touch.launched()
    await touch.dispatch()
    assert await touch.counts(first) == {("ACCEPTED", "", ""): 3}
    assert await touch.counts(second) == {("REFUSED", "kill_switch", "KILL_SWITCH_ENGAGED"): 3}
    assert await touch.counts(third) == {("ACCEPTED", "", ""): 3}


async def test_quiet_hours_put_a_message_off_until_they_end(touch):
    touch.clock.set_ms(touch.clock.now_ms() + 10 * HOUR_MS)  # 22:00
    campaign = await touch.launched(
        quiet_hours=pb.QuietHours(from_minute=21 * 60, to_minute=9 * 60)
    )
    await touch.dispatch()
    assert await touch.counts(campaign) == {("DEFERRED", "quiet_hours", "QUIET_HOURS"): 3}
    touch.clock.set_ms(touch.clock.now_ms() + 11 * HOUR_MS - 1)  # one ms before 9:00
    await touch.dispatch()
    assert await touch.counts(campaign) == {("DEFERRED", "quiet_hours", "QUIET_HOURS"): 3}
    touch.clock.set_ms(touch.clock.now_ms() + 1)
    await touch.dispatch()
    assert await touch.counts(campaign) == {("ACCEPTED", "", ""): 3}
    outcomes = [decision.outcome for decision in (await touch.explain(campaign, 1)).decisions]
    assert outcomes == ["defer", "send"]


async def test_a_message_that_cannot_wait_expires(touch):
    campaign = await touch.launched(
        quiet_hours=pb.QuietHours(from_minute=0, to_minute=1_439), expire_after_ms=HOUR_MS
    )
    await touch.dispatch()
    touch.clock.set_ms(touch.clock.now_ms() + HOUR_MS)
    await touch.dispatch()
    assert await touch.counts(campaign) == {("EXPIRED", "quiet_hours", "EXPIRED"): 3}
    assert (await touch.get(campaign)).campaign.state == pb.CAMPAIGN_STATE_COMPLETED


async def test_a_cap_counts_all_campaigns_and_channels_within_calendar_days(touch):
    cap = pb.FrequencyCap(messages=2, days=2)
    both = [await touch.template(), await touch.template(**push())]
    first = await touch.launched(*both, members=[1], frequency_cap=cap)
    await touch.dispatch()
    second = await touch.launched(members=[1], frequency_cap=cap)
    await touch.dispatch()
    assert await touch.counts(first) == {("ACCEPTED", "", ""): 2}
    assert await touch.counts(second) == {("REFUSED", "frequency", "CAP_REACHED"): 1}
    touch.clock.set_ms(touch.clock.now_ms() + 36 * HOUR_MS - 1)  # end of the next day
    third = await touch.launched(members=[1], frequency_cap=cap)
    await touch.dispatch()
    assert await touch.counts(third) == {("REFUSED", "frequency", "CAP_REACHED"): 1}
    touch.clock.set_ms(touch.clock.now_ms() + 1)
    fourth = await touch.launched(members=[1], frequency_cap=cap)
    await touch.dispatch()
    assert await touch.counts(fourth) == {("ACCEPTED", "", ""): 1}


async def test_a_failed_message_gives_its_place_back(touch):
    cap = pb.FrequencyCap(messages=1, days=1)
    template = await touch.template(**push())
    touch.provider.answer = Delivery(Answer.REJECTED, "PROVIDER_HTTP_400")
    first = await touch.launched(template, members=[1], frequency_cap=cap)
    await touch.dispatch()
    assert await touch.counts(first) == {("FAILED", "", "PROVIDER_HTTP_400"): 1}
    touch.provider.answer = Delivery(Answer.ACCEPTED)
    second = await touch.launched(template, members=[1], frequency_cap=cap)
    await touch.dispatch()
    assert await touch.counts(second) == {("ACCEPTED", "", ""): 1}


async def test_one_address_gets_one_message(touch):
    touch.facts.changes[2] = {"address": "device-1", "address_key": f"{1:032x}"}
    campaign = await touch.launched(await touch.template(**push()), members=[1, 2, 3])
    await touch.dispatch(push_batch=1)
    assert [(send.gate, send.reason) for send in await touch.sends(campaign)] == [
        ("", ""),
        ("address", "ADDRESS_DUPLICATE"),
        ("", ""),
    ]


async def test_one_person_gets_one_message_after_a_merge(touch):
    touch.facts.changes[2] = {"current_person_no": 1}
    campaign = await touch.launched(members=[1, 2])
    await touch.dispatch(batch=1)
    assert [send.reason for send in await touch.sends(campaign)] == ["", "PERSON_DUPLICATE"]


async def test_who_merged_into_the_hold_out_gets_nothing(touch):
    campaign = await touch.campaign(holdout_basis_points=5_000)
    numbers = range(1, 30)
    held = [n for n in numbers if holdout_bucket("p", campaign.campaign_id, n) < 5_000]
    treated = [n for n in numbers if n not in held]
    touch.facts.changes[treated[0]] = {"current_person_no": held[0]}
    touch.audiences.members = set(numbers)
    await touch.launch(campaign)
    await touch.dispatch()
    assert (await touch.explain(campaign, treated[0])).sends[0].reason == "PERSON_HELD_OUT"


@pytest.mark.parametrize(
    ("message_class", "end"),
    [(pb.MESSAGE_CLASS_MARKETING, "UNKNOWN"), (pb.MESSAGE_CLASS_SERVICE, "ACCEPTED")],
)
async def test_an_ambiguous_answer_is_repeated_for_service_alone(touch, message_class, end):
    template = await touch.template(**push(message_class=message_class))
    touch.provider.answer = Delivery(Answer.AMBIGUOUS, "PROVIDER_TIMEOUT")
    campaign = await touch.launched(template, members=[1])
    await touch.dispatch()
    touch.provider.answer = Delivery(Answer.ACCEPTED)
    touch.clock.set_ms(touch.clock.now_ms() + HOUR_MS)
    await touch.dispatch()
    (send,) = await touch.sends(campaign)
    assert pb.SendState.Name(send.state) == f"SEND_STATE_{end}"
    keys = {message.send_key for message in touch.provider.pushed}
    assert (len(keys), send.attempts) == (1, len(touch.provider.pushed))
    assert len(touch.provider.pushed) == (1 if end == "UNKNOWN" else 2)


async def test_a_provider_that_puts_off_is_asked_again_up_to_a_bound(touch):
    touch.provider.answer = Delivery(Answer.PUT_OFF, "PROVIDER_HTTP_503")
    campaign = await touch.launched(await touch.template(**push()), members=[1])
    for _ in range(MAX_ATTEMPTS + 3):
        await touch.dispatch()
        touch.clock.set_ms(touch.clock.now_ms() + HOUR_MS)
    assert await touch.counts(campaign) == {("FAILED", "", "PROVIDER_HTTP_503"): 1}
    assert len(touch.provider.pushed) == MAX_ATTEMPTS


async def test_an_attempt_is_committed_before_the_provider_is_called(touch):
    seen = []

    async def look(message):
        async with touch.database.session() as session:
            c = tables.send.c
            state = await session.execute(select(c.state).where(c.send_key == message.send_key))
            made = await session.execute(
                select(tables.attempt.c.attempt_no).where(
                    tables.attempt.c.send_key == message.send_key
                )
            )
            seen.append((state.scalar(), made.scalar()))

    touch.provider.before_answer = look
    await touch.launched(await touch.template(**push()))
    await touch.dispatch()
    assert seen == [(pb.SEND_STATE_ATTEMPTING, 1)] * 3


async def test_attempts_of_a_lost_dispatcher_are_parked_or_repeated(touch):
    async def die(message):
        raise RuntimeError("the process dies here")

    marketing = await touch.template(**push())
    service = await touch.template(**push(message_class=pb.MESSAGE_CLASS_SERVICE))
    campaigns = [await touch.launched(template) for template in (marketing, service)]
    lost = await touch.claimed("lost")
    touch.provider.before_answer = die
    for _ in campaigns:
        with pytest.raises(RuntimeError):
            await touch.dispatcher().turn(lost)
    touch.provider.before_answer = None
    touch.provider.pushed.clear()
    await touch.dispatch()
    assert touch.provider.pushed == []  # its lease still runs
    from siyu_kit.sql.tables import lease

    async with touch.database.transaction() as session:
        await session.execute(update(lease).where(lease.c.name == lost.holder).values(expires_ms=0))
    await touch.dispatch()
    found = [await touch.counts(campaign) for campaign in campaigns]
    assert {"UNKNOWN", "ACCEPTED"} >= {key[0] for counts in found for key in counts}
    assert found[0] == {("UNKNOWN", "", "DISPATCHER_LOST"): 3}
    assert found[1] == {("ACCEPTED", "", ""): 3}


async def test_a_dispatcher_whose_sends_were_taken_away_settles_nothing(touch):
    campaign = await touch.launched(await touch.template(**push()), members=[1])
    slow, quick = await touch.claimed("slow"), await touch.claimed("quick")
    from siyu_kit.sql.tables import lease

    async def lose_the_lease(message):
        async with touch.database.transaction() as session:
            await session.execute(
                update(lease).where(lease.c.name == slow.holder).values(expires_ms=0)
            )
        await touch.dispatcher().turn(quick)

    touch.provider.before_answer = lose_the_lease
    await touch.dispatcher().turn(slow)
    assert await touch.counts(campaign) == {("UNKNOWN", "", "DISPATCHER_LOST"): 1}
    assert len(touch.provider.pushed) == 1


async def test_facts_that_cannot_be_had_leave_the_sends_for_later(touch):
    campaign = await touch.launched()
    touch.facts.error = DependencyDown("DEPENDENCY_DOWN", "away")
    claim = await touch.claimed()
    dispatcher = touch.dispatcher()
    running = asyncio.create_task(dispatcher.run(claim))
    while len(touch.facts.asked) < 1:
        await asyncio.sleep(0.01)
    touch.facts.error = None
    for _ in range(300):
        await touch.clock.advance(0.2)
        await asyncio.sleep(0.01)
        if ("ACCEPTED", "", "") in await touch.counts(campaign):
            break
    running.cancel()
    assert await touch.counts(campaign) == {("ACCEPTED", "", ""): 3}


async def test_a_pause_during_a_dispatch_takes_effect_before_the_decision(touch):
    from siyu_kit.rpc.client import call

    campaign = await touch.launched()

    async def pause():
        touch.facts.before_answer = None
        request = pb.PauseCampaignRequest(project_id="p", campaign_id=campaign.campaign_id)
        await call(touch.stub.PauseCampaign, request)

    touch.facts.before_answer = pause
    await touch.dispatch()
    assert await touch.counts(campaign) == {("PLANNED", "", ""): 3}
    request = pb.ResumeCampaignRequest(project_id="p", campaign_id=campaign.campaign_id)
    await call(touch.stub.ResumeCampaign, request)
    await touch.dispatch()
    assert await touch.counts(campaign) == {("ACCEPTED", "", ""): 3}


async def test_dispatchers_side_by_side_send_each_message_once_within_the_cap(touch):
    template = await touch.template(**push())
    cap = pb.FrequencyCap(messages=1, days=1)
    members = range(1, 61)
    campaigns = [
        await touch.launched(template, members=members, frequency_cap=cap) for _ in range(3)
    ]
    claims = [await touch.claimed(place) for place in "abc"]

    async def work(claim):
        dispatcher = touch.dispatcher(push_batch=7)
        idle = 0
        while idle < 3:
            idle = 0 if await dispatcher.turn(claim) else idle + 1

    await asyncio.gather(*(work(claim) for claim in claims))
    pushed = [message.address for message in touch.provider.pushed]
    assert sorted(pushed) == sorted({f"device-{number}" for number in members})
    total = {}
    for campaign in campaigns:
        for key, sends in (await touch.counts(campaign)).items():
            total[key] = total.get(key, 0) + sends
    assert total == {("ACCEPTED", "", ""): 60, ("REFUSED", "frequency", "CAP_REACHED"): 120}
    assert (await touch.verify()).intact


async def test_planning_goes_on_where_it_stopped(touch, monkeypatch):
    from siyu_touch.app import launch_campaign as launching

    monkeypatch.setattr(launching, "CHUNK", 10)
    campaign = await touch.campaign(holdout_basis_points=2_000)
    touch.audiences.members = set(range(1, 96))
    stopped = await launching._start(
        touch.store, touch.audiences, touch.clock, touch.channels, "p", campaign.campaign_id
    )
    for _ in range(3):
        stopped = await launching.plan_chunk(touch.store, "p", campaign.campaign_id)
    assert not stopped.planned
    touch.audiences.members = {500}  # what the segment says now no longer counts
    await touch.dispatch()
    summary = (await touch.get(campaign)).summary
    assert summary.audience == 95
    assert sum(count.sends for count in summary.counts) == 95 - summary.held_out
    again = await touch.launch(campaign)
    assert again.summary == summary
