"""Rows to domain objects and back."""

from typing import Any

from siyu_touch.app.store import Reservation
from siyu_touch.domain.campaign import Campaign, FrequencyCap
from siyu_touch.domain.days import QuietHours
from siyu_touch.domain.decision import Decision, Outcome, Recorded, verdicts_from, verdicts_text
from siyu_touch.domain.send import Send
from siyu_touch.domain.template import Template
from siyu_touch.domain.vocabulary import (
    CampaignState,
    Channel,
    MessageClass,
    SendState,
    TemplateState,
)


def to_template(row: Any) -> Template:
    """A template."""
    return Template(
        project_id=row.project_id,
        template_id=row.template_id,
        name=row.name,
        channel=Channel(row.channel),
        message_class=MessageClass(row.message_class),
        title=row.title,
        body=row.body,
        traits=tuple(row.traits.split()),
        author=row.author,
        create_time_ms=row.create_time_ms,
        state=TemplateState(row.state),
        approver=row.approver,
    )


def from_template(template: Template) -> dict[str, Any]:
    """The row of a template."""
    return {
        "project_id": template.project_id,
        "template_id": template.template_id,
        "name": template.name,
        "channel": int(template.channel),
        "message_class": int(template.message_class),
        "title": template.title,
        "body": template.body,
        "traits": " ".join(template.traits),
        "state": int(template.state),
        "author": template.author,
        "approver": template.approver,
        "create_time_ms": template.create_time_ms,
    }


def to_campaign(row: Any) -> Campaign:
    """A campaign."""
    quiet = None if row.quiet_from is None else QuietHours(row.quiet_from, row.quiet_to)
    cap = None if row.cap_messages is None else FrequencyCap(row.cap_messages, row.cap_days)
    return Campaign(
        project_id=row.project_id,
        campaign_id=row.campaign_id,
        name=row.name,
        segment_id=row.segment_id,
        template_ids=tuple(row.template_ids.split()),
        product_risk=row.product_risk,
        holdout_basis_points=row.holdout_basis_points,
        quiet_hours=quiet,
        frequency_cap=cap,
        zone=row.zone,
        expire_after_ms=row.expire_after_ms,
        goal=row.goal,
        goal_window_ms=row.goal_window_ms,
        state=CampaignState(row.state),
        revision=row.revision,
        create_time_ms=row.create_time_ms,
        launch_time_ms=row.launch_time_ms,
        segment_run_id=row.segment_run_id,
        planned_to=row.planned_to,
        planned=row.planned,
        trace=row.trace,
    )


def from_campaign(campaign: Campaign) -> dict[str, Any]:
    """The row of a campaign."""
    quiet, cap = campaign.quiet_hours, campaign.frequency_cap
    return {
        "project_id": campaign.project_id,
        "campaign_id": campaign.campaign_id,
        "name": campaign.name,
        "segment_id": campaign.segment_id,
        "template_ids": " ".join(campaign.template_ids),
        "product_risk": campaign.product_risk,
        "holdout_basis_points": campaign.holdout_basis_points,
        "quiet_from": quiet.from_minute if quiet else None,
        "quiet_to": quiet.to_minute if quiet else None,
        "cap_messages": cap.messages if cap else None,
        "cap_days": cap.days if cap else None,
        "zone": campaign.zone,
        "expire_after_ms": campaign.expire_after_ms,
        "goal": campaign.goal,
        "goal_window_ms": campaign.goal_window_ms,
        "state": int(campaign.state),
        "revision": campaign.revision,
        "create_time_ms": campaign.create_time_ms,
        "launch_time_ms": campaign.launch_time_ms,
        "segment_run_id": campaign.segment_run_id,
        "planned_to": campaign.planned_to,
        "planned": campaign.planned,
        "trace": campaign.trace,
    }


def to_send(row: Any) -> Send:
    """A send."""
    return Send(
        project_id=row.project_id,
        send_key=row.send_key,
        campaign_id=row.campaign_id,
        person_no=row.person_no,
        channel=Channel(row.channel),
        message_class=MessageClass(row.message_class),
        template_id=row.template_id,
        state=SendState(row.state),
        due_ms=row.due_ms,
        expire_ms=row.expire_ms,
        update_time_ms=row.update_time_ms,
        gate=row.gate,
        reason=row.reason,
        attempts=row.attempts,
        provider_message_id=row.provider_message_id,
        trace=row.trace,
    )


def from_send(send: Send) -> dict[str, Any]:
    """The row of a send that nobody has claimed."""
    return {
        "project_id": send.project_id,
        "send_key": send.send_key,
        "campaign_id": send.campaign_id,
        "person_no": send.person_no,
        "channel": int(send.channel),
        "message_class": int(send.message_class),
        "template_id": send.template_id,
        "state": int(send.state),
        "gate": send.gate,
        "reason": send.reason,
        "attempts": send.attempts,
        "provider_message_id": send.provider_message_id,
        "due_ms": send.due_ms,
        "expire_ms": send.expire_ms,
        "update_time_ms": send.update_time_ms,
        "claim_holder": "",
        "claim_epoch": 0,
        "trace": send.trace,
    }


def to_recorded(row: Any) -> Recorded:
    """A decision in its place."""
    decision = Decision(
        row.campaign_id,
        row.person_no,
        row.send_key,
        Outcome(row.outcome),
        verdicts_from(row.verdicts),
        row.decision_time_ms,
    )
    return Recorded(row.sequence, decision, row.chain_digest)


def from_recorded(project_id: str, recorded: Recorded) -> dict[str, Any]:
    """The row of a decision."""
    decision = recorded.decision
    return {
        "project_id": project_id,
        "sequence": recorded.sequence,
        "campaign_id": decision.campaign_id,
        "person_no": decision.person_no,
        "send_key": decision.send_key,
        "outcome": decision.outcome.value,
        "verdicts": verdicts_text(decision.verdicts),
        "decision_time_ms": decision.decision_time_ms,
        "chain_digest": recorded.chain_digest,
    }


def to_reservation(row: Any) -> Reservation:
    """A reservation."""
    return Reservation(row.person_no, row.day, row.send_key, row.at_ms)
