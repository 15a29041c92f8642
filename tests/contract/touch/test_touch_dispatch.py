import asyncio
from collections import Counter
from contextlib import suppress

import pytest
from sqlalchemy import select, update

from siyu.touch.v1 import touch_service_pb2 as pb
from siyu_kit.errors import DataLoss, DependencyDown, InternalError, QuotaExceeded, TooBusy
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
    told = {(one.event.name, one.event.person_no) for one in await touch.told()}
    assert told == {("touch_sent", number) for number in range(1, 51)}


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
    events = [one.event for one in await touch.told()]
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


async def test_a_message_whose_provider_was_taken_away_expires(touch):
    campaign = await touch.launched(await touch.template(**push()), await touch.template())
    touch.provider = None
    await touch.dispatch()
    planned = {("ACCEPTED", "", ""): 3, ("PLANNED", "", ""): 3}
    assert await touch.counts(campaign) == planned
    touch.clock.set_ms(touch.clock.now_ms() + 24 * HOUR_MS - 1)
    await touch.dispatch()
    assert await touch.counts(campaign) == planned
    touch.clock.set_ms(touch.clock.now_ms() + 1)
    await touch.dispatch()
    assert await touch.counts(campaign) == {("ACCEPTED", "", ""): 3, ("EXPIRED", "", "EXPIRED"): 3}
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


async def test_a_cap_counts_what_both_had_while_they_are_one_person(touch):
    cap = pb.FrequencyCap(messages=2, days=2)
    first = await touch.launched(members=[1, 2], frequency_cap=cap)
    await touch.dispatch()
    assert await touch.counts(first) == {("ACCEPTED", "", ""): 2}
    touch.facts.changes[1] = {"ident_nos": (1, 2, 7)}
    merged = await touch.launched(members=[1], frequency_cap=cap)
    await touch.dispatch()
    assert await touch.counts(merged) == {("REFUSED", "frequency", "CAP_REACHED"): 1}
    verdict = (await touch.explain(merged, 1)).decisions[0].verdicts[-1]
    assert verdict.inputs["messages_before"] == "2"
    del touch.facts.changes[1]
    parted = await touch.launched(members=[1, 2], frequency_cap=cap)
    await touch.dispatch()
    assert await touch.counts(parted) == {("ACCEPTED", "", ""): 2}


async def test_a_message_counts_on_the_day_of_its_last_attempt(touch):
    touch.clock.set_ms(touch.clock.now_ms() + 12 * HOUR_MS - 30_000)  # 23:59:30
    cap = pb.FrequencyCap(messages=1, days=1)
    template = await touch.template(**push())
    touch.provider.answer = Delivery(Answer.PUT_OFF, "PROVIDER_HTTP_429", retry_after_ms=45_000)
    late = await touch.launched(template, members=[1], frequency_cap=cap)
    await touch.dispatch()
    touch.provider.answer = Delivery(Answer.ACCEPTED)
    touch.clock.set_ms(touch.clock.now_ms() + 60_000)
    await touch.dispatch()
    assert await touch.counts(late) == {("ACCEPTED", "", ""): 1}
    for clock_on, expected in [
        (HOUR_MS, ("REFUSED", "frequency", "CAP_REACHED")),
        (24 * HOUR_MS, ("ACCEPTED", "", "")),
    ]:
        touch.clock.set_ms(touch.clock.now_ms() + clock_on)
        later = await touch.launched(template, members=[1], frequency_cap=cap)
        await touch.dispatch()
        assert await touch.counts(later) == {expected: 1}


async def test_places_move_by_day_without_meeting(touch):
    cap = pb.FrequencyCap(messages=5, days=1)
    template = await touch.template(**push())
    touch.clock.set_ms(touch.clock.now_ms() + 12 * HOUR_MS - 30_000)
    touch.provider.answer = Delivery(Answer.PUT_OFF, "PROVIDER_HTTP_503")
    campaigns = [
        await touch.launched(template, members=[1, 2], frequency_cap=cap) for _ in range(3)
    ]
    await touch.dispatch()
    touch.facts.changes[1] = {"ident_nos": (1, 2)}
    touch.facts.changes[2] = {"current_person_no": 1, "ident_nos": (1, 2)}
    touch.clock.set_ms(touch.clock.now_ms() + HOUR_MS)
    await touch.dispatch()
    touch.provider.answer = Delivery(Answer.ACCEPTED)
    touch.clock.set_ms(touch.clock.now_ms() + HOUR_MS)
    await touch.dispatch()
    for campaign in campaigns:
        states = {send.person_no: send.state for send in await touch.sends(campaign)}
        # Whose turn comes first leaves the message to the other.
        assert states == {1: pb.SEND_STATE_REFUSED, 2: pb.SEND_STATE_ACCEPTED}
    async with touch.database.session() as session:
        counted = await session.execute(select(tables.reservation.c.send_key))
        assert len(list(counted)) == len(campaigns)


async def test_a_message_refused_at_a_later_attempt_gives_its_place_back(touch):
    cap = pb.FrequencyCap(messages=1, days=1)
    template = await touch.template(**push())
    touch.provider.answer = Delivery(Answer.PUT_OFF, "PROVIDER_HTTP_503")
    first = await touch.launched(template, members=[1], frequency_cap=cap)
    await touch.dispatch()
    touch.facts.changes[1] = {"consent": None}
    touch.clock.set_ms(touch.clock.now_ms() + HOUR_MS)
    await touch.dispatch()
    assert await touch.counts(first) == {("REFUSED", "consent", "CONSENT_MISSING"): 1}
    touch.facts.changes.clear()
    touch.provider.answer = Delivery(Answer.ACCEPTED)
    second = await touch.launched(template, members=[1], frequency_cap=cap)
    await touch.dispatch()
    assert await touch.counts(second) == {("ACCEPTED", "", ""): 1}


async def test_who_are_one_person_since_get_one_message_of_a_campaign(touch):
    campaign = await touch.launched(members=[4, 6])
    c = tables.send.c
    async with touch.database.transaction() as session:
        await session.execute(
            update(tables.send).where(c.person_no == 4).values(due_ms=c.due_ms + 60_000)
        )
    await touch.dispatch()
    touch.facts.changes[4] = {"ident_nos": (4, 6, 9)}  # 6 was merged into 4
    touch.clock.set_ms(touch.clock.now_ms() + 60_000)
    await touch.dispatch()
    assert [(send.person_no, send.reason) for send in await touch.sends(campaign)] == [
        (4, "PERSON_DUPLICATE"),
        (6, ""),
    ]


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


@pytest.mark.parametrize("meanwhile", ["accepts", "refuses", "expires"])
@pytest.mark.parametrize("said", ["DELIVERED", "FAILED"])
async def test_a_receipt_before_the_decision_on_a_retry_stands(touch, said, meanwhile):
    touch.provider.answer = Delivery(Answer.PUT_OFF, "PROVIDER_HTTP_503")
    campaign = await touch.launched(await touch.template(**push()), members=[1])
    await touch.dispatch()
    touch.provider.answer = Delivery(Answer.ACCEPTED)
    (send,) = await touch.sends(campaign)
    touch.clock.set_ms(touch.clock.now_ms() + HOUR_MS)

    async def receipt():
        touch.facts.before_answer = None
        assert await touch.receipts((send.send_key, said)) == [0]
        if meanwhile == "refuses":
            touch.facts.changes[1] = {"consent": Consent(granted=False)}
        if meanwhile == "expires":
            touch.clock.set_ms(touch.clock.now_ms() + 24 * HOUR_MS)

    touch.facts.before_answer = receipt
    await touch.dispatch()
    assert touch.facts.before_answer is None
    assert await touch.counts(campaign) == {(said, "", ""): 1}
    assert len(touch.provider.pushed) == 1
    assert len((await touch.explain(campaign, 1)).decisions) == 1
    async with touch.database.session() as session:
        assert (await session.execute(select(tables.send.c.claim_holder))).scalar() == ""


async def test_a_provider_that_turns_us_away_does_not_use_a_campaign_up(touch):
    touch.provider.answer = Delivery(Answer.TURNED_AWAY, "PROVIDER_HTTP_401")
    campaign = await touch.launched(await touch.template(**push()), members=range(1, 21))
    in_app = await touch.launched(members=[1])
    claim, dispatcher = await touch.claimed(), touch.dispatcher(push_concurrency=4)
    while await dispatcher.turn(claim):
        pass
    assert len(touch.provider.pushed) == 4
    assert await touch.counts(in_app) == {("ACCEPTED", "", ""): 1}
    for _ in range(MAX_ATTEMPTS * 3):
        await touch.clock.advance(301)
        await dispatcher.turn(claim)
    assert {state for state, _, _ in await touch.counts(campaign)} <= {"DEFERRED", "PLANNED"}
    touch.provider.answer = Delivery(Answer.ACCEPTED)
    await touch.clock.advance(301)
    while await dispatcher.turn(claim):
        pass
    assert await touch.counts(campaign) == {("ACCEPTED", "", ""): 20}


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


async def states(touch):
    async with touch.database.session() as session:
        return Counter((await session.execute(select(tables.send.c.state))).scalars())


async def test_no_more_is_begun_than_the_provider_is_called_with(touch):
    seen, under_way, most = [], 0, 0

    async def look(message):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        seen.append((await states(touch))[pb.SEND_STATE_ATTEMPTING])
        await asyncio.sleep(0.001 * (len(seen) % 5))
        under_way -= 1

    touch.provider.before_answer = look
    campaign = await touch.launched(await touch.template(**push()), members=range(1, 41))
    await touch.dispatch(push_concurrency=4)
    assert await touch.counts(campaign) == {("ACCEPTED", "", ""): 40}
    assert (max(seen), most) == (4, 4)


async def test_a_dispatcher_that_dies_leaves_what_was_under_way_in_doubt_and_no_more(touch):
    campaign = await touch.launched(await touch.template(**push()), members=range(1, 41))
    called = asyncio.Event()

    async def never(message):
        if len(touch.provider.pushed) == 4:
            called.set()
        await asyncio.Event().wait()

    touch.provider.before_answer = never
    lost = await touch.claimed("lost")
    dying = asyncio.create_task(touch.dispatcher(push_concurrency=4).turn(lost))
    await called.wait()
    assert await states(touch) == {pb.SEND_STATE_ATTEMPTING: 4, pb.SEND_STATE_PLANNED: 36}
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    from siyu_kit.sql.tables import lease

    async with touch.database.transaction() as session:
        await session.execute(update(lease).where(lease.c.name == lost.holder).values(expires_ms=0))
    touch.provider.before_answer = None
    await touch.dispatch()
    assert await touch.counts(campaign) == {
        ("UNKNOWN", "", "DISPATCHER_LOST"): 4,
        ("ACCEPTED", "", ""): 36,
    }
    assert len(touch.provider.pushed) == len({one.send_key for one in touch.provider.pushed}) == 40


async def test_answers_are_kept_when_no_more_can_be_begun(touch):
    campaign = await touch.launched(await touch.template(**push()), members=range(1, 13))

    async def peers_go_away(message):
        touch.facts.error = DependencyDown("DEPENDENCY_DOWN", "away")

    touch.provider.before_answer = peers_go_away
    await touch.dispatch(push_concurrency=4)
    assert await touch.counts(campaign) == {("ACCEPTED", "", ""): 4, ("PLANNED", "", ""): 8}


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


def facts_fail(touch, error, about):
    """Questions about these persons fail."""
    good = touch.facts.facts

    async def facts(question):
        if about(question.person_nos):
            touch.facts.asked.append(question)
            raise error
        return await good(question)

    touch.facts.facts = facts


@pytest.mark.parametrize(
    "error",
    [
        TooBusy("PROJECT_BUSY", "full", retry_after_s=1.0),
        InternalError("INTERNAL", "internal error"),
        DependencyDown("DEPENDENCY_DOWN", "away"),
        TypeError("an answer that nobody foresaw"),
    ],
)
async def test_a_campaign_that_fails_rests_and_the_others_go_on(touch, error):
    first = await touch.launched(members=[1])
    second = await touch.launched(members=[2])
    facts_fail(touch, error, lambda numbers: 1 in numbers)
    claim, dispatcher = await touch.claimed(), touch.dispatcher()
    for _ in range(20):
        with suppress(TypeError):
            await dispatcher.turn(claim)
    assert await touch.counts(second) == {("ACCEPTED", "", ""): 1}
    assert await touch.counts(first) == {("PLANNED", "", ""): 1}
    assert len([one for one in touch.facts.asked if 1 in one.person_nos]) == 1
    del touch.facts.facts
    await touch.clock.advance(2.0)
    while await dispatcher.turn(claim):
        pass
    assert await touch.counts(first) == {("ACCEPTED", "", ""): 1}


async def test_a_campaign_whose_facts_cannot_be_had_expires(touch):
    campaign = await touch.launched(expire_after_ms=HOUR_MS)
    facts_fail(touch, InternalError("INTERNAL", "internal error"), bool)
    claim, dispatcher = await touch.claimed(), touch.dispatcher()
    assert not await dispatcher.turn(claim)
    await touch.clock.advance(HOUR_MS / 1000)
    while await dispatcher.turn(claim):
        pass
    assert await touch.counts(campaign) == {("EXPIRED", "", "EXPIRED"): 3}
    assert (await touch.get(campaign)).campaign.state == pb.CAMPAIGN_STATE_COMPLETED


async def test_an_answer_that_is_too_long_is_asked_for_in_parts(touch):
    too_long = QuotaExceeded("RESOURCE_EXHAUSTED", "Received message larger than max")
    facts_fail(touch, too_long, lambda numbers: len(numbers) > 30)
    campaign = await touch.launched(members=range(1, 201))
    await touch.dispatch(batch=100)
    assert await touch.counts(campaign) == {("ACCEPTED", "", ""): 200}
    sizes = [len(question.person_nos) for question in touch.facts.asked]
    assert sizes[:5] == [100, 50, 25, 25, 50]
    assert sizes[7:] == [25] * 4  # the second batch knows


async def test_a_damaged_profile_holds_up_its_person_alone(touch):
    damaged = DataLoss("DOCUMENT_DAMAGED", "a stored profile cannot be read")
    facts_fail(touch, damaged, lambda numbers: 77 in numbers)
    campaign = await touch.launched(members=range(1, 101), expire_after_ms=HOUR_MS)
    await touch.dispatch()
    assert await touch.counts(campaign) == {
        ("ACCEPTED", "", ""): 99,
        ("DEFERRED", "", "FACTS_UNAVAILABLE"): 1,
    }
    touch.clock.set_ms(touch.clock.now_ms() + HOUR_MS // 2)
    del touch.facts.facts
    await touch.dispatch()
    assert await touch.counts(campaign) == {("ACCEPTED", "", ""): 100}


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
