"""Launches a campaign: takes the audience, sets the hold-out aside, plans the sends in chunks."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import islice

from siyu_kit.clock import Clock
from siyu_kit.errors import PreconditionFailed, StaleEtag
from siyu_kit.failpoints import failpoint
from siyu_kit.telemetry import inject
from siyu_touch.app.manage_campaigns import templates_of
from siyu_touch.app.ports import SegmentAudiences
from siyu_touch.app.store import Snapshot, TouchStore
from siyu_touch.domain.campaign import Campaign, moved
from siyu_touch.domain.decision import Decision, Outcome, Verdict
from siyu_touch.domain.holdout import held_out, holdout_bucket
from siyu_touch.domain.send import Send, send_key
from siyu_touch.domain.template import Template
from siyu_touch.domain.vocabulary import CampaignState, Channel, SendState, TemplateState

CHUNK = 5_000
"""Persons planned in one transaction."""


async def launch_campaign(
    store: TouchStore,
    audiences: SegmentAudiences,
    clock: Clock,
    channels: Collection[Channel],
    *,
    project_id: str,
    campaign_id: str,
) -> Campaign:
    """Start a draft and plan all of its sends; launching again returns the campaign as it is.

    A crash in between leaves a running campaign, whose planning the repeated call and the
    dispatcher both continue.
    """
    campaign = await _start(store, audiences, clock, channels, project_id, campaign_id)
    while campaign.state is not CampaignState.DRAFT and not campaign.planned:
        campaign = await plan_chunk(store, project_id, campaign_id)
    return campaign


async def _start(
    store: TouchStore,
    audiences: SegmentAudiences,
    clock: Clock,
    channels: Collection[Channel],
    project_id: str,
    campaign_id: str,
) -> Campaign:
    async with store.reading() as unit:
        draft = await unit.catalogue.campaign(project_id, campaign_id)
        if draft.state is not CampaignState.DRAFT:
            return draft
        for template in await templates_of(unit, draft, channels):
            _require_approved(template)
    taken = await audiences.audience(project_id, draft.segment_id)
    failpoint("touch.launch_audience")
    aside = held_out(project_id, campaign_id, taken.members, draft.holdout_basis_points)
    async with store.transaction() as unit:
        current = await unit.catalogue.campaign(project_id, campaign_id, lock=True)
        if current.state is not CampaignState.DRAFT:
            return current
        if current.etag != draft.etag:
            raise StaleEtag("ETAG_STALE", "the campaign was changed meanwhile", etag=current.etag)
        running = moved(
            current,
            state=CampaignState.RUNNING,
            launch_time_ms=clock.now_ms(),
            segment_run_id=taken.run_id,
            trace=inject(),
        )
        await unit.catalogue.add_snapshot(project_id, campaign_id, Snapshot(taken.members, aside))
        await unit.catalogue.save_campaign(running)
    failpoint("touch.launch_started")
    return running


def _require_approved(template: Template) -> None:
    if template.state is not TemplateState.APPROVED:
        raise PreconditionFailed(
            "TEMPLATE_NOT_APPROVED",
            "a template of the campaign is not approved",
            template_id=template.template_id,
        )


async def plan_chunk(store: TouchStore, project_id: str, campaign_id: str) -> Campaign:
    """Plan the sends of the next persons, in one transaction; does nothing when all are planned."""
    async with store.transaction() as unit:
        campaign = await unit.catalogue.campaign(project_id, campaign_id, lock=True)
        snapshot = await unit.catalogue.snapshot(project_id, campaign_id)
        if campaign.planned or snapshot is None:
            return campaign
        templates = [
            await unit.catalogue.template(project_id, template_id)
            for template_id in campaign.template_ids
        ]
        persons = list(islice(snapshot.audience.iter_equal_or_larger(campaign.planned_to), CHUNK))
        treated = [person for person in persons if person not in snapshot.held_out]
        await unit.sends.plan(
            [
                planned_send(campaign, template, person)
                for template in templates
                for person in treated
            ]
        )
        aside = [person for person in persons if person in snapshot.held_out]
        if aside:
            head = await unit.decisions.lock(project_id)
            await unit.decisions.append(project_id, head, _holdouts(campaign, templates, aside))
        after = replace(
            campaign,
            planned_to=persons[-1] + 1 if persons else campaign.planned_to,
            planned=len(persons) < CHUNK,
        )
        await unit.catalogue.save_campaign(after)
        failpoint("touch.plan_before_commit")
    return after


def planned_send(campaign: Campaign, template: Template, person_no: int) -> Send:
    """The send of one person on one channel, due at once."""
    launched = campaign.launch_time_ms
    return Send(
        project_id=campaign.project_id,
        send_key=send_key(campaign.project_id, campaign.campaign_id, person_no, template.channel),
        campaign_id=campaign.campaign_id,
        person_no=person_no,
        channel=template.channel,
        message_class=template.message_class,
        template_id=template.template_id,
        state=SendState.PLANNED,
        due_ms=launched,
        expire_ms=launched + campaign.expire_after_ms,
        update_time_ms=launched,
        trace=inject(),
    )


def _holdouts(
    campaign: Campaign, templates: Sequence[Template], persons: Sequence[int]
) -> list[Decision]:
    project_id, campaign_id = campaign.project_id, campaign.campaign_id
    return [
        Decision(
            campaign_id,
            person,
            send_key(project_id, campaign_id, person, template.channel),
            Outcome.HOLD_OUT,
            (_held(project_id, campaign, person),),
            campaign.launch_time_ms,
        )
        for person in persons
        for template in templates
    ]


def _held(project_id: str, campaign: Campaign, person: int) -> Verdict:
    bucket = holdout_bucket(project_id, campaign.campaign_id, person)
    share = str(campaign.holdout_basis_points)
    return Verdict(
        "hold_out", passed=False, reason="HELD_OUT", inputs={"bucket": str(bucket), "below": share}
    )
