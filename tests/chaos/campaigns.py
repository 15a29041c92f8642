"""The loop's far end: segments are refreshed, campaigns launched, receipts reported."""

import time
from dataclasses import dataclass, field
from typing import Final

from chaos.journal import Journal
from chaos.traffic import CUSTOMERS, customer, now_ms
from chaos.world import LOOP, World
from siyu.condition.v1 import condition_pb2 as cond
from siyu.profile.v1 import profile_service_pb2 as profile_pb
from siyu.segment.v1 import segment_service_pb2 as segment_pb
from siyu.touch.v1 import touch_service_pb2 as touch_pb
from support.living_platform import count

SEGMENTS: Final = 3
HOLDOUT: Final = 1_000
CHANNELS: Final = (touch_pb.CHANNEL_IN_APP, touch_pb.CHANNEL_PUSH)
COMPLETE_S: Final = 400.0


@dataclass
class Campaigns:
    """Prepared once, then an actor of the traffic."""

    world: World
    journal: Journal
    segments: list[str] = field(default_factory=list)
    templates: list[str] = field(default_factory=list)
    launched: list[str] = field(default_factory=list)

    async def prepare(self) -> None:
        """Consents and addresses of a part of the customers, templates, and segments."""
        await self._facts()
        for channel in CHANNELS:
            await self._template(channel)
        for number in range(SEGMENTS):
            # Chances differ, so each refresh moves some persons in.
            condition = count("trade", cond.OPERATOR_GE, 6 * number + 3)
            request = segment_pb.CreateSegmentRequest(
                project_id=LOOP,
                request_id=f"segment-{number}",
                segment=segment_pb.Segment(name=f"traders {number}", condition=condition),
            )
            answer = await self.journal.ask(
                "CreateSegment", self.world.client.segment.CreateSegment, request
            )
            self.segments.append(answer.segment.segment_id)

    async def refresh(self) -> None:
        """An actor: refresh the segments in turn."""
        turn = 0
        while await self.journal.turn(1.5):
            turn += 1
            await self._refreshed(self.segments[turn % SEGMENTS])

    async def run(self) -> None:
        """An actor: launch a campaign, see it to its end, report what became of some messages."""
        while await self.journal.turn(1.0):
            segment_id = self.segments[len(self.launched) % SEGMENTS]
            await self._refreshed(segment_id)
            campaign_id = await self._launch(segment_id)
            self.launched.append(campaign_id)
            await self._complete(campaign_id)
            await self._report(campaign_id)

    async def _refreshed(self, segment_id: str) -> None:
        """Refresh until a run succeeds: one that failed stays failed, under its request's id."""
        stub = self.world.client.segment
        while True:
            request = segment_pb.RefreshSegmentRequest(
                project_id=LOOP,
                request_id=f"refresh-{self.journal.number()}",
                segment_id=segment_id,
            )
            answer = await self.journal.ask("RefreshSegment", stub.RefreshSegment, request)
            if answer.run.state == segment_pb.SEGMENT_RUN_STATE_SUCCEEDED:
                return

    async def _launch(self, segment_id: str) -> str:
        number = self.journal.number()
        create = touch_pb.CreateCampaignRequest(
            project_id=LOOP,
            request_id=f"campaign-{number}",
            campaign=touch_pb.Campaign(
                name=f"campaign {number}",
                segment_id=segment_id,
                template_ids=self.templates,
                holdout_basis_points=HOLDOUT,
            ),
        )
        stub = self.world.client.touch
        campaign = (await self.journal.ask("CreateCampaign", stub.CreateCampaign, create)).campaign
        launch = touch_pb.LaunchCampaignRequest(project_id=LOOP, campaign_id=campaign.campaign_id)
        await self.journal.ask("LaunchCampaign", stub.LaunchCampaign, launch)
        return str(campaign.campaign_id)

    async def _complete(self, campaign_id: str) -> None:
        request = touch_pb.GetCampaignRequest(project_id=LOOP, campaign_id=campaign_id)
        deadline = time.monotonic() + COMPLETE_S
        stub = self.world.client.touch
        while True:
            answer = await self.journal.ask("GetCampaign", stub.GetCampaign, request)
            if answer.campaign.state == touch_pb.CAMPAIGN_STATE_COMPLETED:
                return
            if time.monotonic() > deadline:
                finding = f"campaign {campaign_id} does not end: {answer.summary}"
                self.journal.findings.append(finding)
                return
            await self.journal.nap(0.2)

    async def _report(self, campaign_id: str) -> None:
        """Delivered, and then clicked, for messages that went out; each report twice."""
        stub = self.world.client.touch
        listing = touch_pb.ListSendsRequest(
            project_id=LOOP,
            campaign_id=campaign_id,
            state=touch_pb.SEND_STATE_ACCEPTED,
            page_size=40,
        )
        sends = (await self.journal.ask("ListSends", stub.ListSends, listing)).sends
        for state in (touch_pb.SEND_STATE_DELIVERED, touch_pb.SEND_STATE_CLICKED):
            receipts = [
                touch_pb.Receipt(send_key=send.send_key, state=state, event_time_ms=now_ms())
                for send in sends
            ]
            if not receipts:
                return
            report = touch_pb.RecordReceiptsRequest(project_id=LOOP, receipts=receipts)
            for _ in range(2):
                await self.journal.ask("RecordReceipts", stub.RecordReceipts, report)

    async def _facts(self) -> None:
        stub = self.world.client.profile
        numbers = range(0, CUSTOMERS, 2)
        consents = [
            profile_pb.Consent(
                consent_id=f"consent-{channel}-{number}",
                identifier=customer(number),
                channel=channel,
                purpose="marketing",
                granted=number % 10 != 0,
                text_version="1",
                evidence="form",
                event_time_ms=now_ms(),
            )
            for number in numbers
            for channel in ("in_app", "push")
        ]
        points = [
            profile_pb.ContactPoint(
                contact_point_id=f"token-{number}",
                identifier=customer(number),
                type="push_token",
                address=f"token-{number}",
                event_time_ms=now_ms(),
            )
            for number in numbers
            if number % 3
        ]
        said = profile_pb.RecordConsentsRequest(project_id=LOOP, consents=consents)
        await self.journal.ask("RecordConsents", stub.RecordConsents, said)
        reached = profile_pb.SetContactPointsRequest(project_id=LOOP, contact_points=points)
        await self.journal.ask("SetContactPoints", stub.SetContactPoints, reached)

    async def _template(self, channel: "touch_pb.Channel.ValueType") -> None:
        create = touch_pb.CreateTemplateRequest(
            project_id=LOOP,
            request_id=f"template-{channel}",
            template=touch_pb.Template(
                name=f"template {channel}",
                channel=channel,
                message_class=touch_pb.MESSAGE_CLASS_MARKETING,
                title="Read this",
                body="A word about your account",
            ),
        )
        author, approver = self.world.client.touch, self.world.approver.touch
        answer = await self.journal.ask("CreateTemplate", author.CreateTemplate, create)
        approve = touch_pb.ApproveTemplateRequest(
            project_id=LOOP,
            template_id=answer.template.template_id,
            content_digest=answer.template.content_digest,
        )
        await self.journal.ask("ApproveTemplate", approver.ApproveTemplate, approve)
        self.templates.append(answer.template.template_id)
