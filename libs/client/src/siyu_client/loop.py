"""The smallest form of the loop: an event becomes a person, a number, a segment and a message.

Each run has a customer and names of its own, so that it may be repeated in the same project.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from grpc.aio import UnaryUnaryMultiCallable

from siyu.collect.v1.collect_service_pb2 import IngestRequest
from siyu.condition.v1 import condition_pb2 as cond
from siyu.event.v1.event_pb2 import EVENT_KIND_TRACK, Event
from siyu.identity.v1.identity_service_pb2 import GetPersonRequest
from siyu.segment.v1 import segment_service_pb2 as segment
from siyu.touch.v1 import touch_service_pb2 as touch
from siyu.type.v1.identifier_pb2 import Identifier
from siyu.type.v1.value_pb2 import Value
from siyu_client.client import SiyuClient, call
from siyu_kit.errors import DependencyDown, NotFound, QuotaExceeded

Q = TypeVar("Q")
R = TypeVar("R")

_LOOK_S = 0.2
_CALL_S = 10.0


class LoopError(Exception):
    """A step did not do what it should; the message says which."""


class Loop:
    """One customer's way. ``approver`` speaks for somebody else than ``client``."""

    def __init__(self, client: SiyuClient, approver: SiyuClient, project_id: str) -> None:
        self._client, self._approver, self._project = client, approver, project_id
        self._run = f"smoke-{time.time_ns() // 1_000_000}"
        self._customer = Identifier(type="customer_no", value=self._run.upper())
        self._device = Identifier(type="device_id", value=self._run)

    async def steps(self) -> AsyncIterator[str]:
        """Go the way; what was done, step by step. Waits without end: give it a timeout."""
        await self._ingest()
        yield "collect took the event"
        await self._until(self._is_one_person)
        yield "identity made one person of its two identifiers"
        await self._until(self._is_counted)
        yield "analytics and segment count one person"
        segment_id = await self._segment()
        yield "segment published a membership of one"
        await self._launch(segment_id)
        await self._until(self._is_in_inbox)
        yield "touch put the message into the inbox"

    async def _ingest(self) -> None:
        event = Event(
            message_id=self._run,
            ids=[self._customer, self._device],
            kind=EVENT_KIND_TRACK,
            name="smoke",
            event_time_ms=time.time_ns() // 1_000_000,
            string_properties={"run": self._run},
        )
        request = IngestRequest(project_id=self._project, events=[event])
        answer = await self._ask(self._client.collect.Ingest, request)
        if answer.accepted != 1:
            raise LoopError(f"collect refused the event: {answer.refused}")

    async def _is_one_person(self) -> bool:
        persons = set()
        for identifier in (self._customer, self._device):
            request = GetPersonRequest(project_id=self._project, identifier=identifier)
            try:
                answer = await self._ask(self._client.identity.GetPerson, request)
            except NotFound:
                return False
            persons.add(answer.person.person_id)
        return len(persons) == 1

    async def _is_counted(self) -> bool:
        request = segment.PreviewSegmentRequest(
            project_id=self._project, condition=self._condition()
        )
        return (await self._ask(self._client.segment.PreviewSegment, request)).size == 1

    def _condition(self) -> cond.Condition:
        own = cond.PropertyFilter(
            property="run", operator=cond.OPERATOR_EQ, operands=[Value(string_value=self._run)]
        )
        node = cond.EventCountCondition(
            event=cond.EventFilter(event_name="smoke", filters=[own]),
            operator=cond.OPERATOR_GE,
            operands=[1],
        )
        return cond.Condition(event_count=node)

    async def _segment(self) -> str:
        wanted = segment.Segment(name=self._run, condition=self._condition())
        create = segment.CreateSegmentRequest(
            project_id=self._project, request_id=f"{self._run}-s", segment=wanted
        )
        created = (await self._ask(self._client.segment.CreateSegment, create)).segment
        refresh = segment.RefreshSegmentRequest(
            project_id=self._project,
            segment_id=created.segment_id,
            request_id=f"{self._run}-r",
        )
        run = (await self._ask(self._client.segment.RefreshSegment, refresh)).run
        if run.size != 1:
            raise LoopError(f"the segment has {run.size} members instead of one")
        return created.segment_id

    async def _launch(self, segment_id: str) -> None:
        template = touch.CreateTemplateRequest(
            project_id=self._project,
            request_id=f"{self._run}-t",
            template=touch.Template(
                name=self._run,
                channel=touch.CHANNEL_IN_APP,
                # Service: it needs no consent, which nobody gave here.
                message_class=touch.MESSAGE_CLASS_SERVICE,
                title="smoke",
                body=self._run,
            ),
        )
        created = (await self._ask(self._client.touch.CreateTemplate, template)).template
        approve = touch.ApproveTemplateRequest(
            project_id=self._project,
            template_id=created.template_id,
            content_digest=created.content_digest,
        )
        await self._ask(self._approver.touch.ApproveTemplate, approve)
        campaign = touch.CreateCampaignRequest(
            project_id=self._project,
            request_id=f"{self._run}-c",
            campaign=touch.Campaign(
                name=self._run, segment_id=segment_id, template_ids=[created.template_id]
            ),
        )
        planned = (await self._ask(self._client.touch.CreateCampaign, campaign)).campaign
        launch = touch.LaunchCampaignRequest(
            project_id=self._project, campaign_id=planned.campaign_id
        )
        await self._ask(self._client.touch.LaunchCampaign, launch)

    async def _is_in_inbox(self) -> bool:
        request = touch.PullInboxRequest(project_id=self._project, identifier=self._customer)
        answer = await self._ask(self._client.touch.PullInbox, request)
        return [message.body for message in answer.messages] == [self._run]

    async def _ask(self, method: UnaryUnaryMultiCallable[Q, R], request: Q) -> R:
        """Call; again while the service is away or busy: every step may be repeated."""
        while True:
            try:
                return await call(method, request, timeout_s=_CALL_S)
            except (DependencyDown, QuotaExceeded):  # deadlines and crowding are among them
                await asyncio.sleep(_LOOK_S)

    async def _until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        while True:
            if await holds():
                return
            await asyncio.sleep(_LOOK_S)
