"""Campaigns: everybody accounted for, nobody told twice, every decision in its chain."""

from chaos.campaigns import CHANNELS, Campaigns
from chaos.world import LOOP, World
from siyu.touch.v1 import touch_service_pb2 as touch_pb
from siyu_client.client import call

WENT_OUT = {
    touch_pb.SEND_STATE_ACCEPTED,
    touch_pb.SEND_STATE_DELIVERED,
    touch_pb.SEND_STATE_READ,
    touch_pb.SEND_STATE_CLICKED,
}
ENDED = WENT_OUT | {
    touch_pb.SEND_STATE_UNKNOWN,
    touch_pb.SEND_STATE_FAILED,
    touch_pb.SEND_STATE_REFUSED,
}


async def sends(world: World, campaigns: Campaigns) -> list[str]:
    """All campaigns launched so far, against the receiver."""
    findings: list[str] = []
    states: dict[str, int] = {}
    for campaign_id in campaigns.launched:
        findings += await _counts(world, campaign_id)
        states |= await _push_states(world, campaign_id)
    taken = world.receiver.taken
    twice = [key for key, number in taken.items() if number > 1]
    if twice:
        findings.append(f"{len(twice)} messages reached the receiver twice, such as {twice[:3]}")
    went_out = {key for key, state in states.items() if state in WENT_OUT}
    unknown = {key for key, state in states.items() if state == touch_pb.SEND_STATE_UNKNOWN}
    if lost := went_out - taken.keys():
        findings.append(f"{len(lost)} messages count as sent and never arrived")
    if stray := taken.keys() - went_out - unknown:
        findings.append(
            f"{len(stray)} messages arrived and do not count as sent: {sorted(stray)[:3]}"
        )
    if world.receiver.mismatched:
        findings.append(f"{world.receiver.mismatched} messages with another idempotency key")
    verify = touch_pb.VerifyDecisionsRequest(project_id=LOOP)
    if not (await call(world.client.touch.VerifyDecisions, verify)).intact:
        findings.append("the chain of decisions is broken")
    return findings


async def _counts(world: World, campaign_id: str) -> list[str]:
    request = touch_pb.GetCampaignRequest(project_id=LOOP, campaign_id=campaign_id)
    summary = (await call(world.client.touch.GetCampaign, request)).summary
    findings: list[str] = []
    for channel in CHANNELS:
        rows = [row for row in summary.counts if row.channel == channel]
        counted = sum(row.sends for row in rows)
        if counted != summary.audience - summary.held_out:
            findings.append(
                f"campaign {campaign_id}, channel {channel}: {counted} sends for an audience of"
                f" {summary.audience} with {summary.held_out} held out"
            )
        findings += [
            f"campaign {campaign_id}: {row.sends} sends are left in state {row.state}"
            for row in rows
            if row.state not in ENDED
        ]
    return findings


async def _push_states(world: World, campaign_id: str) -> dict[str, int]:
    request = touch_pb.ListSendsRequest(project_id=LOOP, campaign_id=campaign_id, page_size=1_000)
    states: dict[str, int] = {}
    while True:
        page = await call(world.client.touch.ListSends, request)
        states |= {
            send.send_key: int(send.state)
            for send in page.sends
            if send.channel == touch_pb.CHANNEL_PUSH
        }
        if not page.next_page_token:
            return states
        request.page_token = page.next_page_token
