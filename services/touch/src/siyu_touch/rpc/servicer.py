"""The touch service's RPCs: map in, call the use case, map out."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from siyu.touch.v1 import touch_service_pb2 as pb
from siyu.touch.v1.touch_service_pb2_grpc import TouchServiceServicer
from siyu.type.v1.item_result_pb2 import ItemResult
from siyu_kit.auth.caller import current_caller
from siyu_kit.clock import Clock
from siyu_kit.errors import InvalidInput
from siyu_kit.ops.checks import check_all
from siyu_kit.rpc.enums import chosen
from siyu_kit.rpc.paging import PageTokens, page_size, request_digest
from siyu_kit.rpc.status import item_status
from siyu_touch.app import freeze, manage_campaigns, manage_templates, read_sends
from siyu_touch.app.effect_report import effect_report
from siyu_touch.app.launch_campaign import launch_campaign
from siyu_touch.app.ports import Effects, Identifier, Persons, SegmentAudiences
from siyu_touch.app.record_receipts import record_receipts
from siyu_touch.app.store import TouchStore
from siyu_touch.domain.vocabulary import Channel, MessageClass, SendState
from siyu_touch.rpc import mapping


@dataclass(frozen=True, kw_only=True)
class Peers:
    """The other services."""

    audiences: SegmentAudiences
    persons: Persons
    effects: Effects


class TouchServicer(TouchServiceServicer):
    """Serves ``siyu.touch.v1.TouchService``; ``wake`` is called when there is work to dispatch."""

    def __init__(
        self,
        store: TouchStore,
        peers: Peers,
        clock: Clock,
        pages: PageTokens,
        channels: Collection[Channel],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._peers = peers
        self._clock = clock
        self._pages = pages
        self._channels = channels
        self._wake = wake

    async def CreateTemplate(
        self, request: pb.CreateTemplateRequest, context: Any
    ) -> pb.CreateTemplateResponse:
        asked = request.template
        template = await manage_templates.create_template(
            self._store,
            self._clock,
            project_id=request.project_id,
            request_id=request.request_id,
            author=current_caller().subject,
            name=asked.name,
            channel=chosen(Channel, asked.channel, "template.channel"),
            message_class=chosen(MessageClass, asked.message_class, "template.message_class"),
            title=asked.title,
            body=asked.body,
        )
        return pb.CreateTemplateResponse(template=mapping.to_template(template))

    async def ApproveTemplate(
        self, request: pb.ApproveTemplateRequest, context: Any
    ) -> pb.ApproveTemplateResponse:
        template = await manage_templates.approve_template(
            self._store,
            project_id=request.project_id,
            template_id=request.template_id,
            approver=current_caller().subject,
            content_digest=request.content_digest,
        )
        return pb.ApproveTemplateResponse(template=mapping.to_template(template))

    async def GetTemplate(
        self, request: pb.GetTemplateRequest, context: Any
    ) -> pb.GetTemplateResponse:
        async with self._store.reading() as unit:
            template = await unit.catalogue.template(request.project_id, request.template_id)
        return pb.GetTemplateResponse(template=mapping.to_template(template))

    async def ListTemplates(
        self, request: pb.ListTemplatesRequest, context: Any
    ) -> pb.ListTemplatesResponse:
        after, size = self._cursor(request), page_size(request.page_size)
        page = await self._store.templates(request.project_id, after, size)
        templates = [mapping.to_template(template) for template in page.templates]
        token = self._token(request, page.next_cursor)
        return pb.ListTemplatesResponse(templates=templates, next_page_token=token)

    async def CreateCampaign(
        self, request: pb.CreateCampaignRequest, context: Any
    ) -> pb.CreateCampaignResponse:
        campaign = await manage_campaigns.create_campaign(
            self._store,
            self._clock,
            self._channels,
            request_id=request.request_id,
            content=mapping.campaign_content(request.campaign),
            campaign=mapping.from_campaign(request.project_id, request.campaign),
        )
        return pb.CreateCampaignResponse(campaign=mapping.to_campaign(campaign))

    async def UpdateCampaign(
        self, request: pb.UpdateCampaignRequest, context: Any
    ) -> pb.UpdateCampaignResponse:
        campaign = await manage_campaigns.update_campaign(
            self._store,
            self._channels,
            project_id=request.project_id,
            campaign_id=request.campaign.campaign_id,
            etag=request.campaign.etag,
            fields=mapping.change_of(request),
        )
        return pb.UpdateCampaignResponse(campaign=mapping.to_campaign(campaign))

    async def GetCampaign(
        self, request: pb.GetCampaignRequest, context: Any
    ) -> pb.GetCampaignResponse:
        campaign, summary = await read_sends.read_campaign(
            self._store, request.project_id, request.campaign_id
        )
        return pb.GetCampaignResponse(
            campaign=mapping.to_campaign(campaign), summary=mapping.to_summary(summary)
        )

    async def ListCampaigns(
        self, request: pb.ListCampaignsRequest, context: Any
    ) -> pb.ListCampaignsResponse:
        after, size = self._cursor(request), page_size(request.page_size)
        page = await self._store.campaigns(request.project_id, after, size)
        campaigns = [mapping.to_campaign(campaign) for campaign in page.campaigns]
        token = self._token(request, page.next_cursor)
        return pb.ListCampaignsResponse(campaigns=campaigns, next_page_token=token)

    async def LaunchCampaign(
        self, request: pb.LaunchCampaignRequest, context: Any
    ) -> pb.LaunchCampaignResponse:
        await launch_campaign(
            self._store,
            self._peers.audiences,
            self._clock,
            self._channels,
            project_id=request.project_id,
            campaign_id=request.campaign_id,
        )
        self._wake()
        campaign, summary = await read_sends.read_campaign(
            self._store, request.project_id, request.campaign_id
        )
        return pb.LaunchCampaignResponse(
            campaign=mapping.to_campaign(campaign), summary=mapping.to_summary(summary)
        )

    async def PauseCampaign(
        self, request: pb.PauseCampaignRequest, context: Any
    ) -> pb.PauseCampaignResponse:
        campaign = await manage_campaigns.pause_campaign(
            self._store, request.project_id, request.campaign_id
        )
        return pb.PauseCampaignResponse(campaign=mapping.to_campaign(campaign))

    async def ResumeCampaign(
        self, request: pb.ResumeCampaignRequest, context: Any
    ) -> pb.ResumeCampaignResponse:
        campaign = await manage_campaigns.resume_campaign(
            self._store, request.project_id, request.campaign_id
        )
        self._wake()
        return pb.ResumeCampaignResponse(campaign=mapping.to_campaign(campaign))

    async def SetKillSwitch(
        self, request: pb.SetKillSwitchRequest, context: Any
    ) -> pb.SetKillSwitchResponse:
        await manage_campaigns.set_kill_switch(
            self._store,
            self._clock,
            request.project_id,
            engaged=request.engaged,
            reason=request.reason,
            by=current_caller().subject,
        )
        return pb.SetKillSwitchResponse(engaged=request.engaged)

    async def ListSends(self, request: pb.ListSendsRequest, context: Any) -> pb.ListSendsResponse:
        after, size = self._cursor(request), page_size(request.page_size)
        state = chosen(SendState, request.state, "state") if request.state else None
        async with self._store.reading() as unit:
            await unit.catalogue.campaign(request.project_id, request.campaign_id)
        found = await self._store.sends_after(
            request.project_id, request.campaign_id, state, after, size + 1
        )
        page = found[:size]
        token = self._token(request, page[-1].send_key if len(found) > size else "")
        return pb.ListSendsResponse(
            sends=[mapping.to_send(send) for send in page], next_page_token=token
        )

    async def ExplainPerson(
        self, request: pb.ExplainPersonRequest, context: Any
    ) -> pb.ExplainPersonResponse:
        standing = await read_sends.explain_person(
            self._store, request.project_id, request.campaign_id, request.person_no
        )
        return pb.ExplainPersonResponse(
            in_audience=standing.in_audience,
            held_out=standing.held_out,
            holdout_bucket=standing.bucket,
            sends=[mapping.to_send(send) for send in standing.sends],
            decisions=[mapping.to_decision(recorded) for recorded in standing.decisions],
        )

    async def VerifyDecisions(
        self, request: pb.VerifyDecisionsRequest, context: Any
    ) -> pb.VerifyDecisionsResponse:
        found = await read_sends.verify_decisions(self._store, request.project_id)
        return pb.VerifyDecisionsResponse(
            decisions=found.decisions,
            intact=not found.broken_sequence,
            broken_sequence=found.broken_sequence,
            head_digest=found.head_digest,
        )

    async def PullInbox(self, request: pb.PullInboxRequest, context: Any) -> pb.PullInboxResponse:
        size = page_size(request.page_size, default=20, most=100)
        asked = request.identifier
        if not asked.type or not asked.value:
            raise InvalidInput("FIELD_INVALID", "whose inbox?", field="identifier")
        found = await read_sends.pull_inbox(
            self._store,
            self._peers.persons,
            self._clock.now_ms(),
            project_id=request.project_id,
            identifier=Identifier(asked.type, asked.value),
            after=self._cursor(request),
            size=size + 1,
        )
        page = found[:size]
        last = f"{page[-1].send_time_ms}:{page[-1].send_key}" if len(found) > size else ""
        return pb.PullInboxResponse(
            messages=[mapping.to_inbox(entry) for entry in page],
            next_page_token=self._token(request, last),
        )

    async def RecordReceipts(
        self, request: pb.RecordReceiptsRequest, context: Any
    ) -> pb.RecordReceiptsResponse:
        receipts = [mapping.from_receipt(receipt) for receipt in request.receipts]
        errors = await record_receipts(self._store, self._clock, request.project_id, receipts)
        return pb.RecordReceiptsResponse(
            results=[
                ItemResult(index=place, status=item_status(error))
                for place, error in enumerate(errors)
            ]
        )

    async def GetFreeze(self, request: pb.GetFreezeRequest, context: Any) -> pb.GetFreezeResponse:
        found = await freeze.freeze(self._store)
        if found is None:
            return pb.GetFreezeResponse()
        return pb.GetFreezeResponse(
            frozen=True,
            backup_id=found.backup_id,
            backup_time_ms=found.backup_ms,
            restored_time_ms=found.restored_ms,
        )

    async def LiftFreeze(
        self, request: pb.LiftFreezeRequest, context: Any
    ) -> pb.LiftFreezeResponse:
        check_all(request.project_id)
        parked = await freeze.lift_freeze(
            self._store,
            self._clock,
            by=current_caller().subject,
            reason=request.reason,
            reconciled=request.reconciled,
        )
        self._wake()
        return pb.LiftFreezeResponse(parked=parked)

    async def GetEffectReport(
        self, request: pb.GetEffectReportRequest, context: Any
    ) -> pb.GetEffectReportResponse:
        report = await effect_report(
            self._store,
            self._peers.effects,
            self._clock,
            project_id=request.project_id,
            campaign_id=request.campaign_id,
            to_ms=request.to_time_ms,
            freshness=mapping.from_freshness(request.freshness),
        )
        return mapping.to_report(report)

    def _cursor(self, request: Any) -> str:
        return self._pages.decode(request.page_token, request_digest(request)).decode()

    def _token(self, request: Message, cursor: str) -> str:
        return self._pages.encode(cursor, request_digest(request)) if cursor else ""
