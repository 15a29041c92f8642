"""One customer's way through the whole platform: facts, a segment, a campaign, receipts."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from siyu.condition.v1 import condition_pb2 as cond
from siyu.profile.v1 import profile_service_pb2 as profile
from siyu.segment.v1 import segment_service_pb2 as segment
from siyu.touch.v1 import touch_service_pb2 as touch
from siyu.type.v1 import identifier_pb2
from siyu_client.client import SiyuClient, call
from support.living_platform import LivingPlatform, count, now_ms

FAR_MS = 4_000_000_000_000
_ENDED = frozenset({touch.CAMPAIGN_STATE_COMPLETED})


@dataclass(frozen=True)
class Texts:
    """What people write into templates and names; a test may plant things here."""

    name: str
    title: str = "你好"
    body: str = "白皮书已发布"
    description: str = ""
    evidence: str = "form"


class Journey:
    """Takes one project's customers from facts to receipts."""

    def __init__(self, living: LivingPlatform, texts: Texts) -> None:
        self._living = living
        self._client = living.client
        self._project = living.project_id
        self._texts = texts

    async def state_facts(self, customer: tuple[str, str], address: str) -> None:
        """A push address, consents for both channels and a rating."""
        who = identifier_pb2.Identifier(type=customer[0], value=customer[1])
        key, now, stub = self._texts.name, now_ms(), self._client.profile
        point = profile.ContactPoint(
            contact_point_id=f"{key}-push",
            identifier=who,
            type="push_token",
            address=address,
            event_time_ms=now,
        )
        consents = [
            profile.Consent(
                consent_id=f"{key}-{channel}",
                identifier=who,
                channel=channel,
                purpose="marketing",
                granted=True,
                text_version="v1",
                evidence=self._texts.evidence,
                event_time_ms=now,
            )
            for channel in ("push", "in_app")
        ]
        rating = profile.Rating(
            rating_id=f"{key}-rating",
            identifier=who,
            level=profile.RISK_LEVEL_C3,
            assessed_time_ms=now,
            expire_time_ms=FAR_MS,
        )
        points = profile.SetContactPointsRequest(project_id=self._project, contact_points=[point])
        stated = profile.RecordConsentsRequest(project_id=self._project, consents=consents)
        rated = profile.RecordRatingsRequest(project_id=self._project, ratings=[rating])
        for answer in (
            await call(stub.SetContactPoints, points),
            await call(stub.RecordConsents, stated),
            await call(stub.RecordRatings, rated),
        ):
            assert all(result.status.code == 0 for result in answer.results), answer

    async def refreshed_segment(self, event_name: str) -> str:
        """A segment of those with such an event, refreshed; its id."""
        wanted = segment.Segment(
            name=self._texts.name,
            description=self._texts.description,
            condition=count(event_name, cond.OPERATOR_GE, 1),
        )
        created = await call(
            self._client.segment.CreateSegment,
            segment.CreateSegmentRequest(
                project_id=self._project, request_id=f"{self._texts.name}-s", segment=wanted
            ),
        )
        segment_id = created.segment.segment_id
        run = await call(
            self._client.segment.RefreshSegment,
            segment.RefreshSegmentRequest(
                project_id=self._project,
                segment_id=segment_id,
                request_id=f"{self._texts.name}-r",
            ),
        )
        assert run.run.size > 0, run
        return segment_id

    async def launched_campaign(
        self,
        segment_id: str,
        approver: SiyuClient,
        channels: "Sequence[touch.Channel.ValueType]" = (touch.CHANNEL_PUSH, touch.CHANNEL_IN_APP),
    ) -> str:
        """A campaign on these channels to the whole segment; its id."""
        templates = [await self._approved(channel, approver) for channel in channels]
        created = await call(
            self._client.touch.CreateCampaign,
            touch.CreateCampaignRequest(
                project_id=self._project,
                request_id=f"{self._texts.name}-c",
                campaign=touch.Campaign(
                    name=self._texts.name,
                    segment_id=segment_id,
                    template_ids=templates,
                    goal=cond.EventFilter(event_name="trade"),
                ),
            ),
        )
        launch = touch.LaunchCampaignRequest(
            project_id=self._project, campaign_id=created.campaign.campaign_id
        )
        return (await call(self._client.touch.LaunchCampaign, launch)).campaign.campaign_id

    async def sends(self, campaign_id: str, timeout_s: float = 20) -> list[touch.Send]:
        """All sends, once the campaign has ended."""
        request = touch.GetCampaignRequest(project_id=self._project, campaign_id=campaign_id)
        deadline = time.monotonic() + timeout_s
        while True:
            answer = await call(self._client.touch.GetCampaign, request)
            if answer.campaign.state in _ENDED:
                break
            assert time.monotonic() < deadline, answer
            await asyncio.sleep(0.05)
        listed = touch.ListSendsRequest(project_id=self._project, campaign_id=campaign_id)
        return list((await call(self._client.touch.ListSends, listed)).sends)

    async def report(self, send: touch.Send, state: "touch.SendState.ValueType") -> None:
        """A receipt, as a provider or an app tells it."""
        receipt = touch.Receipt(send_key=send.send_key, state=state, event_time_ms=now_ms())
        request = touch.RecordReceiptsRequest(project_id=self._project, receipts=[receipt])
        answer = await call(self._client.touch.RecordReceipts, request)
        assert answer.results[0].status.code == 0, answer

    async def _approved(self, channel: "touch.Channel.ValueType", approver: SiyuClient) -> str:
        created = await call(
            self._client.touch.CreateTemplate,
            touch.CreateTemplateRequest(
                project_id=self._project,
                request_id=f"{self._texts.name}-t{channel}",
                template=touch.Template(
                    name=f"{self._texts.name} {channel}",
                    channel=channel,
                    message_class=touch.MESSAGE_CLASS_MARKETING,
                    title=self._texts.title,
                    body=self._texts.body,
                ),
            ),
        )
        approve = touch.ApproveTemplateRequest(
            project_id=self._project,
            template_id=created.template.template_id,
            content_digest=created.template.content_digest,
        )
        return (await call(approver.touch.ApproveTemplate, approve)).template.template_id
