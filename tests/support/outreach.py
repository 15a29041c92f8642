"""A segment and in-app campaigns to it, of a project of a running platform."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from siyu.condition.v1 import condition_pb2 as cond
from siyu.segment.v1 import segment_service_pb2 as segment
from siyu.touch.v1 import touch_service_pb2 as touch
from siyu.type.v1 import identifier_pb2, result_key_pb2
from siyu_client.client import SiyuClient, call
from support.living_platform import LivingPlatform

Verdicts = Mapping[str, str]
"""The inputs of a gate."""


class Outreach:
    """Everything is named once, so that a test reads as its story."""

    def __init__(self, living: LivingPlatform, approver: SiyuClient) -> None:
        self._client, self._approver = living.client, approver
        self._project = living.project_id
        self._number = 0
        self.segment_id = ""

    async def define(self, condition: cond.Condition) -> None:
        """Make the segment."""
        request = segment.CreateSegmentRequest(
            project_id=self._project,
            request_id="segment",
            segment=segment.Segment(name="whom it is about", condition=condition),
        )
        created = await call(self._client.segment.CreateSegment, request)
        self.segment_id = created.segment.segment_id

    async def refresh(self, freshness: result_key_pb2.Freshness) -> segment.SegmentRun:
        """A new run."""
        request = segment.RefreshSegmentRequest(
            project_id=self._project,
            request_id=self._name("refresh"),
            segment_id=self.segment_id,
            freshness=freshness,
        )
        return (await call(self._client.segment.RefreshSegment, request)).run

    async def run(self, run_id: str) -> segment.SegmentRun:
        """A run as it is told now."""
        request = segment.GetSegmentRunRequest(project_id=self._project, run_id=run_id)
        return (await call(self._client.segment.GetSegmentRun, request)).run

    async def members(self, run_id: str) -> set[int]:
        """The members of a run."""
        request = segment.ListSegmentMembersRequest(
            project_id=self._project, segment_id=self.segment_id, run_id=run_id
        )
        listed = await call(self._client.segment.ListSegmentMembers, request)
        assert listed.total == len(listed.person_nos)
        return set(listed.person_nos)

    async def explanation(self, person_no: int) -> tuple[bool, bool, list[object]]:
        """Whether somebody is a member, as published and now, and why."""
        request = segment.ExplainMemberRequest(
            project_id=self._project, segment_id=self.segment_id, person_no=person_no
        )
        told = await call(self._client.segment.ExplainMember, request)
        return told.member_published, told.member, list(told.nodes)

    async def campaign(self, messages: int, days: int) -> str:
        """Launch one to the published members, under a cap, and see it to its end; its id."""
        name = self._name("campaign")
        created = await call(
            self._client.touch.CreateCampaign,
            touch.CreateCampaignRequest(
                project_id=self._project,
                request_id=name,
                campaign=touch.Campaign(
                    name=name,
                    segment_id=self.segment_id,
                    template_ids=[await self._template(name)],
                    frequency_cap=touch.FrequencyCap(messages=messages, days=days),
                ),
            ),
        )
        campaign_id = created.campaign.campaign_id
        launch = touch.LaunchCampaignRequest(project_id=self._project, campaign_id=campaign_id)
        await call(self._client.touch.LaunchCampaign, launch)
        await self._ended(campaign_id)
        return campaign_id

    async def sends(self, campaign_id: str) -> dict[int, touch.Send]:
        """What became of the message to each person."""
        request = touch.ListSendsRequest(project_id=self._project, campaign_id=campaign_id)
        listed = (await call(self._client.touch.ListSends, request)).sends
        return {send.person_no: send for send in listed}

    async def explained(self, campaign_id: str, person_no: int) -> touch.ExplainPersonResponse:
        """Sends and decisions about one person."""
        request = touch.ExplainPersonRequest(
            project_id=self._project, campaign_id=campaign_id, person_no=person_no
        )
        return await call(self._client.touch.ExplainPerson, request)

    async def cap_of(self, campaign_id: str, person_no: int) -> tuple[bool, Verdicts]:
        """Whether the cap let the message pass, and what it looked at."""
        told = await self.explained(campaign_id, person_no)
        (decision,) = told.decisions
        verdict = decision.verdicts[-1]
        assert verdict.gate == "frequency", decision
        return verdict.passed, dict(verdict.inputs)

    async def inbox(self, who: tuple[str, str]) -> list[str]:
        """Keys of the messages that somebody finds."""
        request = touch.PullInboxRequest(
            project_id=self._project,
            identifier=identifier_pb2.Identifier(type=who[0], value=who[1]),
        )
        found = (await call(self._client.touch.PullInbox, request)).messages
        return sorted(message.send_key for message in found)

    async def _ended(self, campaign_id: str, timeout_s: float = 30) -> None:
        request = touch.GetCampaignRequest(project_id=self._project, campaign_id=campaign_id)
        deadline = time.monotonic() + timeout_s
        while True:
            found = await call(self._client.touch.GetCampaign, request)
            if found.campaign.state == touch.CAMPAIGN_STATE_COMPLETED:
                return
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.05)

    async def _template(self, name: str) -> str:
        created = await call(
            self._client.touch.CreateTemplate,
            touch.CreateTemplateRequest(
                project_id=self._project,
                request_id=f"template of {name}",
                template=touch.Template(
                    name=name,
                    channel=touch.CHANNEL_IN_APP,
                    message_class=touch.MESSAGE_CLASS_MARKETING,
                    title="你好",
                    body=name,
                ),
            ),
        )
        approval = touch.ApproveTemplateRequest(
            project_id=self._project,
            template_id=created.template.template_id,
            content_digest=created.template.content_digest,
        )
        approved = await call(self._approver.touch.ApproveTemplate, approval)
        return approved.template.template_id

    def _name(self, what: str) -> str:
        self._number += 1
        return f"{what} {self._number}"


@asynccontextmanager
async def outreach(living: LivingPlatform) -> AsyncIterator[Outreach]:
    """With a second person who approves."""
    tokens = living.platform.credentials.tokens("user:approver", ["admin"], ["*"])
    targets = {name: address.target for name, address in living.platform.addresses.items()}
    async with SiyuClient(targets, tokens) as approver:
        yield Outreach(living, approver)
