"""Domain objects to contract messages and back."""

from typing import Any, cast

from siyu.condition.v1 import condition_pb2 as condition_pb
from siyu.touch.v1 import touch_service_pb2 as pb
from siyu.type.v1 import result_key_pb2 as key_pb
from siyu.type.v1 import value_pb2 as value_pb
from siyu_kit.errors import InvalidInput
from siyu_touch.app.effect_report import EffectReport
from siyu_touch.app.ports import Freshness, GroupOutcome, ResultKey
from siyu_touch.app.read_sends import Summary
from siyu_touch.app.store import InboxEntry, ReceiptRow
from siyu_touch.domain.campaign import CHANGEABLE, Campaign, FrequencyCap
from siyu_touch.domain.days import QuietHours
from siyu_touch.domain.decision import Recorded
from siyu_touch.domain.send import Send
from siyu_touch.domain.template import Template
from siyu_touch.domain.vocabulary import SendState

_MESSAGES = ("quiet_hours", "frequency_cap", "goal")


def to_template(template: Template) -> pb.Template:
    """The contract's template."""
    return pb.Template(
        template_id=template.template_id,
        name=template.name,
        channel=cast("pb.Channel.ValueType", int(template.channel)),
        message_class=cast("pb.MessageClass.ValueType", int(template.message_class)),
        title=template.title,
        body=template.body,
        traits=template.traits,
        state=cast("pb.TemplateState.ValueType", int(template.state)),
        author=template.author,
        approver=template.approver,
        content_digest=template.content_digest,
        create_time_ms=template.create_time_ms,
    )


def from_campaign(project_id: str, message: pb.Campaign) -> Campaign:
    """A draft of what a caller may set."""
    fields = {name: _field(message, name) for name in CHANGEABLE}
    return Campaign(project_id=project_id, campaign_id="", **fields)


def campaign_content(message: pb.Campaign) -> bytes:
    """What a request asks for, without the fields that the service gives."""
    asked = pb.Campaign()
    asked.CopyFrom(message)
    for name in (
        "campaign_id",
        "state",
        "etag",
        "create_time_ms",
        "launch_time_ms",
        "segment_run_id",
    ):
        asked.ClearField(name)
    return asked.SerializeToString(deterministic=True)


def change_of(request: pb.UpdateCampaignRequest) -> dict[str, Any]:
    """The fields an update asks for; an empty mask means every field that is set."""
    message = request.campaign
    paths = list(request.update_mask.paths) or [
        name for name in CHANGEABLE if _is_set(message, name)
    ]
    for path in paths:
        if path not in CHANGEABLE:
            raise InvalidInput(
                "FIELD_INVALID", f"{path} can not be changed", field="update_mask.paths"
            )
    return {name: _field(message, name) for name in paths}


def _is_set(message: pb.Campaign, name: str) -> bool:
    if name in _MESSAGES:
        return message.HasField(cast("Any", name))
    return bool(getattr(message, name))


def _field(message: pb.Campaign, name: str) -> Any:
    match name:
        case "template_ids":
            return tuple(message.template_ids)
        case "product_risk":
            return int(message.product_risk)
        case "quiet_hours":
            quiet = message.quiet_hours
            has = message.HasField("quiet_hours")
            return QuietHours(quiet.from_minute, quiet.to_minute) if has else None
        case "frequency_cap":
            cap = message.frequency_cap
            return (
                FrequencyCap(cap.messages, cap.days) if message.HasField("frequency_cap") else None
            )
        case "goal":
            has = message.HasField("goal")
            return message.goal.SerializeToString(deterministic=True) if has else b""
        case _:
            return getattr(message, name)


def to_campaign(campaign: Campaign) -> pb.Campaign:
    """The contract's campaign."""
    message = pb.Campaign(
        campaign_id=campaign.campaign_id,
        name=campaign.name,
        segment_id=campaign.segment_id,
        template_ids=campaign.template_ids,
        product_risk=cast("pb.ProductRisk.ValueType", campaign.product_risk),
        holdout_basis_points=campaign.holdout_basis_points,
        zone=campaign.zone,
        expire_after_ms=campaign.expire_after_ms,
        goal_window_ms=campaign.goal_window_ms,
        state=cast("pb.CampaignState.ValueType", int(campaign.state)),
        etag=campaign.etag,
        create_time_ms=campaign.create_time_ms,
        launch_time_ms=campaign.launch_time_ms,
        segment_run_id=campaign.segment_run_id,
    )
    if campaign.quiet_hours is not None:
        message.quiet_hours.from_minute = campaign.quiet_hours.from_minute
        message.quiet_hours.to_minute = campaign.quiet_hours.to_minute
        message.quiet_hours.SetInParent()
    if campaign.frequency_cap is not None:
        message.frequency_cap.messages = campaign.frequency_cap.messages
        message.frequency_cap.days = campaign.frequency_cap.days
    if campaign.goal:
        message.goal.CopyFrom(condition_pb.EventFilter.FromString(campaign.goal))
    return message


def to_summary(summary: Summary) -> pb.CampaignSummary:
    """The contract's summary."""
    counts = [
        pb.SendCount(
            channel=cast("pb.Channel.ValueType", int(count.channel)),
            state=cast("pb.SendState.ValueType", int(count.state)),
            gate=count.gate,
            reason=count.reason,
            sends=count.sends,
        )
        for count in summary.counts
    ]
    return pb.CampaignSummary(audience=summary.audience, held_out=summary.held_out, counts=counts)


def to_send(send: Send) -> pb.Send:
    """The contract's send."""
    return pb.Send(
        send_key=send.send_key,
        campaign_id=send.campaign_id,
        person_no=send.person_no,
        channel=cast("pb.Channel.ValueType", int(send.channel)),
        state=cast("pb.SendState.ValueType", int(send.state)),
        gate=send.gate,
        reason=send.reason,
        attempts=send.attempts,
        provider_message_id=send.provider_message_id,
        update_time_ms=send.update_time_ms,
    )


def to_decision(recorded: Recorded) -> pb.Decision:
    """The contract's decision."""
    decision = recorded.decision
    verdicts = [
        pb.GateVerdict(
            gate=verdict.gate,
            passed=verdict.passed,
            reason=verdict.reason,
            inputs=dict(verdict.inputs),
        )
        for verdict in decision.verdicts
    ]
    return pb.Decision(
        sequence=recorded.sequence,
        send_key=decision.send_key,
        outcome=decision.outcome.value,
        verdicts=verdicts,
        decision_time_ms=decision.decision_time_ms,
        chain_digest=recorded.chain_digest,
    )


def to_inbox(entry: InboxEntry) -> pb.InboxMessage:
    """The contract's in-app message."""
    return pb.InboxMessage(
        send_key=entry.send_key,
        title=entry.message.title,
        body=entry.message.body,
        send_time_ms=entry.send_time_ms,
        expire_time_ms=entry.expire_time_ms,
    )


def from_receipt(message: pb.Receipt) -> ReceiptRow:
    """A receipt; a state that is no state becomes one that no receipt may say."""
    number = int(message.state)
    state = SendState(number) if number in {int(one) for one in SendState} else SendState.PLANNED
    return ReceiptRow(message.send_key, state, message.event_time_ms, message.reason)


def to_report(report: EffectReport) -> pb.GetEffectReportResponse:
    """The contract's effect report."""
    comparison = report.comparison
    return pb.GetEffectReportResponse(
        treated=_group(comparison.treated),
        held_out=_group(comparison.control),
        uplift=comparison.difference.value,
        uplift_low=comparison.difference.low,
        uplift_high=comparison.difference.high,
        significant=comparison.significant,
        verdict=report.verdict,
        from_time_ms=report.from_ms,
        to_time_ms=report.to_ms,
        key=_key(comparison.key),
    )


def _group(group: GroupOutcome) -> pb.EffectGroup:
    return pb.EffectGroup(
        persons=group.persons,
        converted=group.converted,
        rate=group.rate.value,
        rate_low=group.rate.low,
        rate_high=group.rate.high,
    )


def _key(key: ResultKey) -> key_pb.ResultKey:
    return key_pb.ResultKey(
        definition_digest=key.definition_digest,
        as_of_time_ms=key.as_of_time_ms,
        batch_no=key.batch_no,
        identity_sequence=key.identity_sequence,
        profile_sequence=key.profile_sequence,
        result_digest=key.result_digest,
    )


def from_key(key: key_pb.ResultKey) -> ResultKey:
    """The key of an answer."""
    return ResultKey(
        key.definition_digest,
        key.as_of_time_ms,
        key.batch_no,
        key.identity_sequence,
        key.profile_sequence,
        key.result_digest,
    )


def from_freshness(freshness: key_pb.Freshness) -> Freshness:
    """How fresh data must be."""
    return Freshness(
        freshness.min_batch_no,
        freshness.min_identity_sequence,
        freshness.min_profile_sequence,
    )


def from_value(value: value_pb.Value) -> Any:
    """A trait's value as templates see it; None for null."""
    kind = value.WhichOneof("kind")
    if kind is None:
        return None
    if kind == "list_value":
        return tuple(value.list_value.values)
    return getattr(value, kind)
