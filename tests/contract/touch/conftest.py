import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest_asyncio
from sqlalchemy import func, select

from siyu.touch.v1 import touch_service_pb2 as pb
from siyu.touch.v1.touch_service_pb2_grpc import (
    TouchServiceStub,
    add_TouchServiceServicer_to_server,
)
from siyu_kit.clock import ManualClock
from siyu_kit.rpc.client import call
from siyu_kit.rpc.paging import PageTokens
from siyu_kit.service import Servicer
from siyu_kit.sql.engine import Database
from siyu_kit.sql.lease import Leases
from siyu_kit.sql.outbox import Outbox
from siyu_kit.sql.relay import OutboxRelay
from siyu_kit.sql.tables import feed, outbox
from siyu_kit.stream.topics import TOUCH
from siyu_kit.testing.migrated import migrated
from siyu_kit.testing.rpc import ServedRpc, serve, token
from siyu_touch.app.dispatch import Dispatcher, Pace
from siyu_touch.app.ports import AddressedEvent
from siyu_touch.app.store import Claim
from siyu_touch.app.tell import Teller
from siyu_touch.bootstrap import MIGRATIONS, inbox_cipher
from siyu_touch.channel.event_publisher import EventPublisher
from siyu_touch.domain.vocabulary import Channel
from siyu_touch.rpc.servicer import Peers, TouchServicer
from siyu_touch.store.touch_store import SqlTouchStore
from support.touch_twins import (
    RememberingSink,
    ScriptedAudiences,
    ScriptedEffects,
    ScriptedFacts,
    ScriptedPersons,
    ScriptedProvider,
)

# 2026-11-23 12:00 in Shanghai, a Monday.
NOON_MS = 1_795_406_400_000


@dataclass
class TouchHarness:
    served: ServedRpc
    database: Database
    store: SqlTouchStore
    clock: ManualClock
    audiences: ScriptedAudiences
    facts: ScriptedFacts
    persons: ScriptedPersons
    effects: ScriptedEffects
    sink: RememberingSink
    provider: ScriptedProvider
    relay: OutboxRelay
    stub: TouchServiceStub
    approver: TouchServiceStub
    channels: set[Channel] = field(default_factory=set)
    claim: Claim | None = None
    number: int = 0

    def dispatcher(self, **pace) -> Dispatcher:
        return Dispatcher(self.store, self.facts, self.provider, self.clock, Pace(**pace))

    async def claimed(self, place="a", ttl_s=600.0) -> Claim:
        held = await Leases(self.database, holder=place, ttl_s=ttl_s).acquire(f"dispatch.{place}")
        assert held is not None
        return Claim(held.name, held.epoch)

    async def dispatch(self, turns=50, **pace) -> None:
        self.claim = self.claim or await self.claimed()
        dispatcher = self.dispatcher(**pace)
        for _ in range(turns):
            if not await dispatcher.turn(self.claim):
                return

    async def told(self) -> list[AddressedEvent]:
        """What the outbox says, when all of it is handed over."""
        relay = asyncio.create_task(self.relay.run())
        async with asyncio.timeout(30):
            while not await self._all_told():
                await self.clock.advance(0.1)
                await asyncio.sleep(0.02)
        relay.cancel()
        await asyncio.gather(relay, return_exceptions=True)  # it gives its connection back
        return self.sink.taken

    async def _all_told(self) -> bool:
        async with self.database.session() as session:
            rows = (await session.execute(select(func.count()).select_from(outbox))).scalar_one()
            head = (await session.execute(select(feed.c.published))).scalar()
        return rows == (head or 0)

    async def template(self, *, approve=True, **fields) -> pb.Template:
        self.number += 1
        given = {
            "name": f"t{self.number}",
            "channel": pb.CHANNEL_IN_APP,
            "message_class": pb.MESSAGE_CLASS_MARKETING,
            "title": "你好",
            "body": "{{ name }}，欢迎",
        } | fields
        request = pb.CreateTemplateRequest(
            project_id="p", request_id=f"t{self.number}", template=pb.Template(**given)
        )
        template = (await call(self.stub.CreateTemplate, request)).template
        if not approve:
            return template
        return await self.approve(template)

    async def approve(self, template: pb.Template) -> pb.Template:
        approval = pb.ApproveTemplateRequest(
            project_id="p",
            template_id=template.template_id,
            content_digest=template.content_digest,
        )
        return (await call(self.approver.ApproveTemplate, approval)).template

    async def campaign(self, *templates: pb.Template, **fields) -> pb.Campaign:
        self.number += 1
        made = templates or (await self.template(),)
        given = {
            "name": f"c{self.number}",
            "segment_id": "s",
            "template_ids": [template.template_id for template in made],
        } | fields
        request = pb.CreateCampaignRequest(
            project_id="p", request_id=f"c{self.number}", campaign=pb.Campaign(**given)
        )
        return (await call(self.stub.CreateCampaign, request)).campaign

    async def launch(self, campaign: pb.Campaign) -> pb.LaunchCampaignResponse:
        request = pb.LaunchCampaignRequest(project_id="p", campaign_id=campaign.campaign_id)
        return await call(self.stub.LaunchCampaign, request)

    async def launched(self, *templates: pb.Template, members=(1, 2, 3), **fields) -> pb.Campaign:
        self.audiences.members = set(members)
        return (await self.launch(await self.campaign(*templates, **fields))).campaign

    async def get(self, campaign: pb.Campaign) -> pb.GetCampaignResponse:
        request = pb.GetCampaignRequest(project_id="p", campaign_id=campaign.campaign_id)
        return await call(self.stub.GetCampaign, request)

    async def counts(self, campaign: pb.Campaign) -> dict[tuple[str, str, str], int]:
        """(state, gate, reason) -> sends."""
        summary = (await self.get(campaign)).summary
        counts: dict[tuple[str, str, str], int] = {}
        for count in summary.counts:
            state = pb.SendState.Name(count.state).removeprefix("SEND_STATE_")
            key = (state, count.gate, count.reason)
            counts[key] = counts.get(key, 0) + count.sends
        return counts

    async def sends(self, campaign: pb.Campaign, **fields) -> list[pb.Send]:
        request = pb.ListSendsRequest(
            project_id="p", campaign_id=campaign.campaign_id, page_size=1_000, **fields
        )
        listed = (await call(self.stub.ListSends, request)).sends
        return sorted(listed, key=lambda send: (send.person_no, send.channel))

    async def explain(self, campaign: pb.Campaign, person_no: int) -> pb.ExplainPersonResponse:
        request = pb.ExplainPersonRequest(
            project_id="p", campaign_id=campaign.campaign_id, person_no=person_no
        )
        return await call(self.stub.ExplainPerson, request)

    async def receipts(self, *given: tuple[str, str], days_ago: int = 0) -> list[int]:
        """(send key, state) -> codes."""
        receipts = [
            pb.Receipt(
                send_key=key,
                state=pb.SendState.Value(f"SEND_STATE_{state}"),
                event_time_ms=self.clock.now_ms() - days_ago * 86_400_000,
            )
            for key, state in given
        ]
        request = pb.RecordReceiptsRequest(project_id="p", receipts=receipts)
        response = await call(self.stub.RecordReceipts, request)
        return [result.status.code for result in response.results]

    async def verify(self) -> pb.VerifyDecisionsResponse:
        return await call(self.stub.VerifyDecisions, pb.VerifyDecisionsRequest(project_id="p"))


@pytest_asyncio.fixture
async def touch(database_url: str) -> AsyncIterator[TouchHarness]:
    await migrated(database_url, MIGRATIONS)
    database, outbox = Database(database_url), Outbox()
    store = SqlTouchStore(database, outbox, inbox_cipher(b"k" * 32))
    clock = ManualClock(NOON_MS)
    audiences, persons, effects = ScriptedAudiences(), ScriptedPersons(), ScriptedEffects()
    sink = RememberingSink()
    publisher = EventPublisher(Teller(persons, sink))
    relay = OutboxRelay(database, publisher, topic=TOUCH.name, outbox=outbox, poll_s=0.02)
    channels = {Channel.IN_APP, Channel.PUSH}
    servicer = TouchServicer(
        store,
        Peers(audiences=audiences, persons=persons, effects=effects),
        clock,
        PageTokens(b"k" * 32),
        channels,
        lambda: None,
    )
    async with serve(Servicer(add_TouchServiceServicer_to_server, servicer)) as served:
        approver = token("operator", projects=["p"], subject="user:approver")
        yield TouchHarness(
            served=served,
            database=database,
            store=store,
            clock=clock,
            audiences=audiences,
            facts=ScriptedFacts(),
            persons=persons,
            effects=effects,
            sink=sink,
            provider=ScriptedProvider(),
            relay=relay,
            stub=TouchServiceStub(served.channel("admin", projects=["p"])),
            approver=TouchServiceStub(served.channel(with_token=approver)),
            channels=channels,
        )
    await database.aclose()
