import pytest
from sqlalchemy import delete, update

from siyu.condition.v1 import condition_pb2 as cond
from siyu.touch.v1 import touch_service_pb2 as pb
from siyu.touch.v1.touch_service_pb2_grpc import TouchServiceStub
from siyu.type.v1.identifier_pb2 import Identifier
from siyu_kit.errors import (
    AlreadyExists,
    DomainError,
    InvalidInput,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    StaleEtag,
    Unauthenticated,
)
from siyu_kit.rpc.client import call
from siyu_touch.app.ports import Rate
from siyu_touch.domain.vocabulary import Channel
from siyu_touch.store import tables

GOAL = cond.EventFilter(event_name="trade")
DAY_MS = 24 * 3_600_000


async def refusal(awaitable, kind: type[DomainError] = DomainError) -> str:
    with pytest.raises(kind) as refused:
        await awaitable
    return refused.value.reason


async def test_the_same_request_creates_one_template(touch):
    first = await touch.template(approve=False)
    touch.number -= 1
    assert await touch.template(approve=False) == first
    assert (first.author, list(first.traits)) == ("user:test", ["name"])
    touch.number -= 1
    reason = await refusal(touch.template(approve=False, body="anderes"), AlreadyExists)
    assert reason == "REQUEST_ID_REUSED"
    got = pb.GetTemplateRequest(project_id="p", template_id=first.template_id)
    assert (await call(touch.stub.GetTemplate, got)).template == first
    got.template_id = "none"
    assert await refusal(call(touch.stub.GetTemplate, got), NotFound) == "TEMPLATE_NOT_FOUND"


async def test_a_text_that_is_not_allowed_is_refused_with_its_place(touch):
    with pytest.raises(InvalidInput) as refused:
        await touch.template(body="a\nb {{ ''.__class__ }}")
    assert refused.value.reason == "TEMPLATE_INVALID"
    assert refused.value.field == "template.body"
    assert refused.value.metadata["line"] == "2"
    with pytest.raises(InvalidInput) as refused:
        await touch.template(title="稳 赚不赔")
    assert (refused.value.reason, refused.value.metadata["word"]) == ("FORBIDDEN_WORD", "稳赚")
    with pytest.raises(InvalidInput) as refused:
        await touch.template(channel=pb.CHANNEL_UNSPECIFIED)
    assert refused.value.field == "template.channel"


async def test_nobody_approves_their_own_text_or_another_than_they_saw(touch):
    template = await touch.template(approve=False)
    approval = pb.ApproveTemplateRequest(
        project_id="p", template_id=template.template_id, content_digest=template.content_digest
    )
    own = call(touch.stub.ApproveTemplate, approval)
    assert await refusal(own, PermissionDenied) == "SELF_APPROVAL"
    approval.content_digest = "0" * 64
    other = call(touch.approver.ApproveTemplate, approval)
    assert await refusal(other, PreconditionFailed) == "CONTENT_DIFFERS"
    approved = await touch.approve(template)
    assert (approved.state, approved.approver) == (pb.TEMPLATE_STATE_APPROVED, "user:approver")
    assert await touch.approve(template) == approved


async def test_campaigns_are_created_once_and_changed_while_drafts(touch):
    template = await touch.template()
    campaign = await touch.campaign(template)
    assert (campaign.zone, campaign.expire_after_ms) == ("Asia/Shanghai", DAY_MS)
    touch.number -= 1
    assert await touch.campaign(template) == campaign
    taken = touch.campaign(template, name=campaign.name)
    assert await refusal(taken, AlreadyExists) == "CAMPAIGN_NAME_TAKEN"
    change = pb.UpdateCampaignRequest(project_id="p", campaign=campaign)
    change.campaign.holdout_basis_points = 300
    change.campaign.goal.CopyFrom(GOAL)
    change.update_mask.paths.extend(["holdout_basis_points", "goal"])
    after = (await call(touch.stub.UpdateCampaign, change)).campaign
    assert (after.holdout_basis_points, after.goal, after.name) == (300, GOAL, campaign.name)
    assert await refusal(call(touch.stub.UpdateCampaign, change), StaleEtag) == "ETAG_STALE"
    change.campaign.etag = after.etag
    change.update_mask.paths[:] = ["state"]
    with pytest.raises(InvalidInput) as refused:
        await call(touch.stub.UpdateCampaign, change)
    assert refused.value.field == "update_mask.paths"
    change.update_mask.paths[:] = ["name"]
    launched = (await touch.launch(after)).campaign
    change.campaign.etag = launched.etag
    late = call(touch.stub.UpdateCampaign, change)
    assert await refusal(late, PreconditionFailed) == "CAMPAIGN_NOT_DRAFT"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": " x"}, "campaign.name"),
        ({"segment_id": ""}, "campaign.segment_id"),
        ({"segment_id": "s" * 101}, "campaign.segment_id"),
        ({"segment_id": "s\0"}, "campaign.segment_id"),
        ({"template_ids": []}, "campaign.template_ids"),
        ({"holdout_basis_points": 5_001}, "campaign.holdout_basis_points"),
        ({"zone": "Mars/Base"}, "campaign.zone"),
        ({"zone": "right/Asia/Shanghai"}, "campaign.zone"),
        ({"expire_after_ms": 31 * DAY_MS}, "campaign.expire_after_ms"),
        ({"quiet_hours": pb.QuietHours(from_minute=1_440)}, "campaign.quiet_hours"),
        ({"quiet_hours": pb.QuietHours(from_minute=5, to_minute=5)}, "campaign.quiet_hours"),
        ({"frequency_cap": pb.FrequencyCap(messages=1)}, "campaign.frequency_cap"),
    ],
)
async def test_a_campaign_that_makes_no_sense_names_its_field(touch, fields, field):
    template = await touch.template()
    with pytest.raises(InvalidInput) as refused:
        await touch.campaign(template, **fields)
    assert refused.value.field == field


async def test_channels_must_differ_and_be_configured(touch):
    two = [await touch.template(), await touch.template()]
    assert await refusal(touch.campaign(*two), InvalidInput) == "CHANNEL_REPEATED"
    touch.channels.discard(Channel.PUSH)
    push = await touch.template(channel=pb.CHANNEL_PUSH)
    assert await refusal(touch.campaign(push), PreconditionFailed) == "CHANNEL_NOT_CONFIGURED"


async def test_a_launch_needs_approved_templates_and_a_published_segment(touch):
    draft = await touch.template(approve=False)
    campaign = await touch.campaign(draft)
    early = touch.launch(campaign)
    assert await refusal(early, PreconditionFailed) == "TEMPLATE_NOT_APPROVED"
    await touch.approve(draft)
    touch.audiences.error = PreconditionFailed("NEVER_REFRESHED", "refresh it first")
    assert await refusal(touch.launch(campaign), PreconditionFailed) == "NEVER_REFRESHED"
    touch.audiences.error = None
    touch.audiences.members = {1, 2}
    first = await touch.launch(campaign)
    assert first.campaign.state == pb.CAMPAIGN_STATE_RUNNING
    assert (first.campaign.segment_run_id, first.summary.audience) == ("run-1", 2)
    touch.audiences.members = {1, 2, 3}
    assert await touch.launch(campaign) == first
    unknown = touch.launch(pb.Campaign(campaign_id="none"))
    assert await refusal(unknown, NotFound) == "CAMPAIGN_NOT_FOUND"


async def test_an_empty_audience_completes(touch):
    campaign = await touch.launched(members=())
    await touch.dispatch()
    assert (await touch.get(campaign)).campaign.state == pb.CAMPAIGN_STATE_COMPLETED


async def test_pause_and_resume(touch):
    campaign = await touch.campaign()
    pause = pb.PauseCampaignRequest(project_id="p", campaign_id=campaign.campaign_id)
    resume = pb.ResumeCampaignRequest(project_id="p", campaign_id=campaign.campaign_id)
    early = call(touch.stub.PauseCampaign, pause)
    assert await refusal(early, PreconditionFailed) == "CAMPAIGN_NOT_RUNNING"
    touch.audiences.members = {1, 2}
    await touch.launch(campaign)
    for _ in range(2):
        paused = (await call(touch.stub.PauseCampaign, pause)).campaign
        assert paused.state == pb.CAMPAIGN_STATE_PAUSED
    await touch.dispatch()
    assert await touch.counts(campaign) == {("PLANNED", "", ""): 2}
    for _ in range(2):
        running = (await call(touch.stub.ResumeCampaign, resume)).campaign
        assert running.state == pb.CAMPAIGN_STATE_RUNNING
    await touch.dispatch()
    assert await touch.counts(campaign) == {("ACCEPTED", "", ""): 2}


async def test_lists_come_in_pages(touch):
    templates = [await touch.template() for _ in range(3)]
    campaigns = [await touch.campaign(template) for template in templates]
    names = []
    request = pb.ListTemplatesRequest(project_id="p", page_size=2)
    while True:
        page = await call(touch.stub.ListTemplates, request)
        names += [template.name for template in page.templates]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert names == [template.name for template in templates]
    listing = pb.ListCampaignsRequest(project_id="p", page_size=3)
    page = await call(touch.stub.ListCampaigns, listing)
    assert {campaign.name for campaign in page.campaigns} == {one.name for one in campaigns}
    listing.page_token = request.page_token
    mixed = call(touch.stub.ListCampaigns, listing)
    assert await refusal(mixed, InvalidInput) == "PAGE_TOKEN_INVALID"
    launched = await touch.launched(members=range(1, 8))
    await touch.dispatch()
    keys = []
    sends = pb.ListSendsRequest(project_id="p", campaign_id=launched.campaign_id, page_size=3)
    sends.state = pb.SEND_STATE_ACCEPTED
    while True:
        page = await call(touch.stub.ListSends, sends)
        keys += [send.send_key for send in page.sends]
        if not page.next_page_token:
            break
        sends.page_token = page.next_page_token
    assert (len(keys), keys) == (7, sorted(set(keys)))
    sends.page_token = ""
    sends.state = pb.SEND_STATE_REFUSED
    assert not (await call(touch.stub.ListSends, sends)).sends


async def pulled(touch, number, **fields):
    identifier = Identifier(type="customer_no", value=f"{number:08}")
    request = pb.PullInboxRequest(project_id="p", identifier=identifier, **fields)
    return await call(touch.stub.PullInbox, request)


async def test_the_inbox_keeps_what_is_unread_and_unexpired(touch):
    for name in ("first", "second", "third"):
        await touch.launched(
            await touch.template(title=name), members=[7], expire_after_ms=2 * 3_600_000
        )
        await touch.dispatch()
        touch.clock.set_ms(touch.clock.now_ms() + 1_000)
    page = await pulled(touch, 7, page_size=2)
    assert [message.title for message in page.messages] == ["first", "second"]
    assert page.messages[0].body == "客户7，欢迎"
    rest = await pulled(touch, 7, page_size=2, page_token=page.next_page_token)
    assert [message.title for message in rest.messages] == ["third"]
    await touch.receipts((page.messages[0].send_key, "DELIVERED"))
    assert len((await pulled(touch, 7)).messages) == 3
    await touch.receipts((page.messages[0].send_key, "READ"))
    titles = [message.title for message in (await pulled(touch, 7)).messages]
    assert titles == ["second", "third"]
    assert not (await pulled(touch, 8)).messages
    touch.clock.set_ms(touch.clock.now_ms() + 2 * 3_600_000)
    assert not (await pulled(touch, 7)).messages


async def test_the_inbox_follows_a_merge_and_knows_no_strangers(touch):
    touch.facts.changes[5] = {"current_person_no": 1_000_007}
    await touch.launched(members=[5])
    await touch.dispatch()
    assert len((await pulled(touch, 7)).messages) == 1
    stranger = Identifier(type="mobile", value="+8613800000000")
    request = pb.PullInboxRequest(project_id="p", identifier=stranger)
    assert not (await call(touch.stub.PullInbox, request)).messages
    nobody = call(touch.stub.PullInbox, pb.PullInboxRequest(project_id="p"))
    assert await refusal(nobody, InvalidInput) == "FIELD_INVALID"


async def test_messages_lie_encrypted(touch):
    from sqlalchemy import select

    await touch.launched(members=[7])
    await touch.dispatch()
    async with touch.database.session() as session:
        (stored,) = (await session.execute(select(tables.inbox.c.message))).scalars()
    assert "客户7".encode() not in stored
    assert b"\\u5ba2" not in stored


async def test_a_receipt_with_a_nul_spoils_itself_alone(touch):
    campaign = await touch.launched(members=[1])
    (send,) = await touch.sends(campaign)
    await touch.dispatch()
    good, bad_reason, bad_key = (
        pb.Receipt(send_key=key, state=state, event_time_ms=touch.clock.now_ms(), reason=reason)
        for key, state, reason in (
            (send.send_key, pb.SEND_STATE_DELIVERED, ""),
            (send.send_key, pb.SEND_STATE_FAILED, "a\0b"),
            ("a\0b", pb.SEND_STATE_DELIVERED, ""),
        )
    )
    request = pb.RecordReceiptsRequest(project_id="p", receipts=[bad_key, bad_reason, good])
    response = await call(touch.stub.RecordReceipts, request)
    assert [result.status.code for result in response.results] == [5, 3, 0]
    (send,) = await touch.sends(campaign)
    assert send.state == pb.SEND_STATE_DELIVERED


async def test_receipts_move_a_send_forwards_alone(touch):
    campaign = await touch.launched(members=[1])
    (send,) = await touch.sends(campaign)
    early = await touch.receipts((send.send_key, "READ"), ("none", "READ"))
    assert early == [9, 5]  # never sent, not found
    await touch.dispatch()
    key = send.send_key

    async def state():
        (now,) = await touch.sends(campaign)
        return pb.SendState.Name(now.state).removeprefix("SEND_STATE_")

    assert await touch.receipts((key, "READ"), (key, "DELIVERED"), (key, "READ")) == [0, 0, 0]
    assert await state() == "READ"
    await touch.receipts((key, "FAILED"))
    assert await state() == "READ"
    await touch.receipts((key, "CLICKED"), (key, "DELIVERED"))
    assert await state() == "CLICKED"
    assert await touch.receipts((key, "ACCEPTED")) == [3]
    relayed = await touch.told()
    ids = [one.event.message_id for one in relayed]
    assert len(ids) == len(set(ids))
    assert sorted(one.event.name for one in relayed) == [
        "touch_clicked",
        "touch_delivered",
        "touch_read",
        "touch_sent",
    ]


async def test_a_receipt_settles_what_nobody_knew(touch):
    from siyu_touch.domain.delivery import Answer, Delivery

    touch.provider.answer = Delivery(Answer.AMBIGUOUS, "PROVIDER_TIMEOUT")
    campaign = await touch.launched(await touch.template(channel=pb.CHANNEL_PUSH), members=[1, 2])
    await touch.dispatch()
    first, second = await touch.sends(campaign)
    await touch.receipts((first.send_key, "DELIVERED"), (second.send_key, "FAILED"))
    assert [send.state for send in await touch.sends(campaign)] == [
        pb.SEND_STATE_DELIVERED,
        pb.SEND_STATE_FAILED,
    ]


async def test_a_receipt_that_nobody_could_be_told_of_is_refused(touch):
    campaign = await touch.launched(members=[1, 2])
    await touch.dispatch()
    first, second = await touch.sends(campaign)
    week_ms = 7 * 24 * 3_600_000
    times = [
        (first, 1),
        (first, touch.clock.now_ms() - week_ms - 1),
        (second, touch.clock.now_ms() - week_ms),
    ]
    receipts = [
        pb.Receipt(send_key=send.send_key, state=pb.SEND_STATE_READ, event_time_ms=at_ms)
        for send, at_ms in times
    ]
    response = await call(
        touch.stub.RecordReceipts, pb.RecordReceiptsRequest(project_id="p", receipts=receipts)
    )
    assert [result.status.code for result in response.results] == [3, 3, 0]
    states = [send.state for send in await touch.sends(campaign)]
    assert states == [pb.SEND_STATE_ACCEPTED, pb.SEND_STATE_READ]
    read = [one.event for one in await touch.told() if one.event.name == "touch_read"]
    assert [event.send_key for event in read] == [second.send_key]


async def test_a_receipt_may_be_faster_than_the_provider(touch):
    async def report(message):
        await touch.receipts((message.send_key, "DELIVERED"))

    touch.provider.before_answer = report
    campaign = await touch.launched(await touch.template(channel=pb.CHANNEL_PUSH), members=[1])
    await touch.dispatch()
    (send,) = await touch.sends(campaign)
    assert send.state == pb.SEND_STATE_DELIVERED
    assert send.provider_message_id == f"p-{send.send_key[:8]}"


async def test_a_decision_that_was_altered_or_removed_is_found(touch):
    await touch.launched(members=range(1, 11))
    await touch.dispatch()
    whole = await touch.verify()
    assert (whole.decisions, whole.intact, len(whole.head_digest)) == (10, True, 64)
    c = tables.decision.c
    async with touch.database.transaction() as session:
        await session.execute(
            update(tables.decision).where(c.sequence == 4).values(outcome="refuse")
        )
    broken = await touch.verify()
    assert (broken.intact, broken.broken_sequence, broken.decisions) == (False, 4, 3)
    async with touch.database.transaction() as session:
        await session.execute(update(tables.decision).where(c.sequence == 4).values(outcome="send"))
        await session.execute(delete(tables.decision).where(c.sequence == 10))
    assert (await touch.verify()).broken_sequence == 10
    empty = await call(touch.stub.VerifyDecisions, pb.VerifyDecisionsRequest(project_id="p"))
    assert not empty.intact


async def test_the_effect_compares_by_intention_to_treat(touch):
    campaign = await touch.campaign(holdout_basis_points=3_000, goal=GOAL)
    request = pb.GetEffectReportRequest(project_id="p", campaign_id=campaign.campaign_id)
    early = call(touch.stub.GetEffectReport, request)
    assert await refusal(early, PreconditionFailed) == "NOT_LAUNCHED"
    touch.audiences.members = set(range(1, 101))
    touch.facts.changes = {number: {"consent": None} for number in range(1, 101)}
    launched = await touch.launch(campaign)
    await touch.dispatch()
    touch.clock.set_ms(touch.clock.now_ms() + 1_000)
    report = await call(touch.stub.GetEffectReport, request)
    assert report.verdict == "no significant difference"
    assert report.held_out.persons == launched.summary.held_out > 0
    assert report.treated.persons == 100 - launched.summary.held_out
    assert report.to_time_ms - report.from_time_ms == 1_000
    touch.effects.significant, touch.effects.difference = True, Rate(0.2, 0.1, 0.3)
    request.to_time_ms = report.from_time_ms + 5
    report = await call(touch.stub.GetEffectReport, request)
    assert report.verdict == "touched customers convert more"
    assert touch.effects.asked[-1].to_ms == report.from_time_ms + 5
    request.to_time_ms = 1
    assert await refusal(call(touch.stub.GetEffectReport, request), InvalidInput) == "FIELD_INVALID"
    without = await touch.launched()
    request = pb.GetEffectReportRequest(project_id="p", campaign_id=without.campaign_id)
    assert await refusal(call(touch.stub.GetEffectReport, request)) == "NO_GOAL"


@pytest.mark.parametrize("members", [{1, 2, 3}, set()])
async def test_without_a_hold_out_there_is_no_effect(touch, members):
    touch.audiences.members = members
    campaign = await touch.campaign(holdout_basis_points=0, goal=GOAL)
    await touch.launch(campaign)
    touch.effects.significant, touch.effects.difference = True, Rate(0.2, 0.1, 0.3)
    request = pb.GetEffectReportRequest(project_id="p", campaign_id=campaign.campaign_id)
    report = await call(touch.stub.GetEffectReport, request)
    assert report.verdict == "no hold-out, the effect cannot be measured"
    assert not report.significant
    assert (report.uplift, report.uplift_low, report.uplift_high) == (0, 0, 0)


async def test_explaining_somebody_outside_of_the_audience(touch):
    campaign = await touch.launched()
    standing = await touch.explain(campaign, 99)
    assert (standing.in_audience, standing.held_out, len(standing.decisions)) == (False, False, 0)
    with pytest.raises(InvalidInput):
        await touch.explain(campaign, 0)


async def test_the_kill_switch_needs_a_reason(touch):
    request = pb.SetKillSwitchRequest(project_id="p", engaged=True)
    with pytest.raises(InvalidInput) as refused:
        await call(touch.stub.SetKillSwitch, request)
    assert refused.value.field == "reason"


async def test_who_may_not_call(touch):
    request = pb.ListCampaignsRequest(project_id="p")
    other = TouchServiceStub(touch.served.channel("operator", projects=["q"]))
    with pytest.raises(PermissionDenied):
        await call(other.ListCampaigns, request)
    analyst = TouchServiceStub(touch.served.channel("analyst", projects=["p"]))
    with pytest.raises(PermissionDenied):
        await call(analyst.LaunchCampaign, pb.LaunchCampaignRequest(project_id="p"))
    with pytest.raises(Unauthenticated):
        await call(TouchServiceStub(touch.served.anonymous()).ListCampaigns, request)
