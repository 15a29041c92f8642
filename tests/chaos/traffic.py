"""The continuous load: events by both doors, links and unlinks, facts, and what is left to wait.

Every actor repeats what was not answered until it is, and sends some of what was answered again.
"""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

import httpx

from chaos.journal import CALL_S, Journal
from chaos.world import LOAD, LOOP, World
from siyu.collect.v1 import collect_service_pb2 as collect_pb
from siyu.event.v1 import event_pb2
from siyu.identity.v1 import identity_service_pb2 as identity_pb
from siyu.identity.v1 import steward_pb2
from siyu.profile.v1 import profile_service_pb2 as profile_pb
from siyu.type.v1.identifier_pb2 import EVIDENCE_CLASS_AUTHENTICATED, Identifier
from siyu.type.v1.value_pb2 import Value
from siyu_client.client import call
from siyu_kit.errors import DependencyDown, QuotaExceeded, Unauthenticated

CUSTOMERS: Final = 300
BATCH: Final = 20
ACTIONS: Final = ("view", "trade", "deposit")


def now_ms() -> int:
    """The time, milliseconds UTC."""
    return time.time_ns() // 1_000_000


def customer(number: int) -> Identifier:
    """A customer's identifier."""
    return Identifier(type="customer_no", value=f"C{number:08d}")


def device(number: int) -> Identifier:
    """A device's identifier."""
    return Identifier(type="anonymous_id", value=f"device-{number}")


class Traffic:
    """Everybody who uses the platform, in one loop."""

    def __init__(self, world: World, journal: Journal) -> None:
        self._world = world
        self._journal = journal
        self._random = journal.random
        self._tasks: list[asyncio.Task[None]] = []
        self._http = httpx.AsyncClient(timeout=CALL_S, trust_env=False)

    def start(self, *others: Callable[[], Awaitable[None]]) -> None:
        """Begin, with other actors beside; each works until its ``turn`` says that it is over."""
        for actor in (self._by_grpc, self._by_http, self._link, self._state, *others):
            self._journal.busy += 1
            self._tasks.append(asyncio.create_task(self._run(actor)))

    async def stop(self) -> None:
        """Let all finish; raises what an actor raised."""
        self._journal.stopped = True
        self._journal.open.set()
        await asyncio.gather(*self._tasks)
        await self._http.aclose()

    async def abandon(self) -> None:
        """End everything at once, whatever is in work: the run has failed."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()

    async def _run(self, actor: Callable[[], Awaitable[None]]) -> None:
        try:
            await actor()
        except Exception as error:
            self._journal.findings.append(f"{actor.__name__}: {error!r}")
            raise
        finally:
            self._journal.busy -= 1

    async def _by_grpc(self) -> None:
        turn = 0
        while await self._journal.turn(0.2):
            turn += 1
            project = LOAD if turn % 2 else LOOP
            events = [self._event(project) for _ in range(BATCH)]
            request = collect_pb.IngestRequest(project_id=project, events=events)
            for _ in range(1 + (turn % 9 == 0)):  # now and then an answered batch once more
                await self._journal.insist("Ingest", partial(self._ingest, request))
            self._acknowledge(project, events)

    async def _ingest(self, request: collect_pb.IngestRequest) -> None:
        project = request.project_id
        self._journal.asked_messages[project] += len(request.events)
        answer = await call(self._world.client.collect.Ingest, request, timeout_s=CALL_S)
        assert not answer.refused, answer.refused
        self._journal.ok_messages[project] += answer.accepted

    async def _by_http(self) -> None:
        key = self._world.platform.write_keys[LOAD]
        headers = {"authorization": f"Basic {base64.b64encode(f'{key}:'.encode()).decode()}"}
        while await self._journal.turn(0.4):
            batch = [self._segment_call() for _ in range(BATCH)]
            await self._journal.insist("POST", partial(self._post, batch, headers))
            for message in batch:
                self._journal.acknowledged[message["messageId"]] = LOAD

    async def _post(self, batch: list[dict[str, str]], headers: dict[str, str]) -> None:
        self._journal.asked_messages[LOAD] += len(batch)
        url = f"{self._world.platform.http_url}/v1/batch"
        answer = await self._http.post(url, json={"batch": batch}, headers=headers)
        if answer.status_code == 429:
            raise QuotaExceeded("HTTP_429", "later")
        if answer.status_code in {408, 503}:
            raise DependencyDown(f"HTTP_{answer.status_code}", "later")
        if answer.status_code == 401:
            raise Unauthenticated("HTTP_401", "keys not read yet")
        assert answer.status_code == 200, answer.text
        assert not answer.json().get("refused"), answer.text
        self._journal.ok_messages[LOAD] += len(batch)

    def _segment_call(self) -> dict[str, str]:
        number = self._journal.number()
        name = self._random.choice(ACTIONS)
        return {
            "type": "track", "messageId": f"h-{number}", "event": name,
            "userId": f"C{self._random.randrange(CUSTOMERS):08d}",
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }  # fmt: skip

    def _event(self, project: str) -> event_pb2.Event:
        """One of: an action, an action that says which device is whose, a profile operation."""
        number, who = self._journal.number(), self._random.randrange(CUSTOMERS)
        event = event_pb2.Event(
            project_id=project,
            message_id=f"g-{number}",
            ids=[customer(who)],
            kind=event_pb2.EVENT_KIND_TRACK,
            name=self._random.choice(ACTIONS),
            event_time_ms=now_ms() - self._random.randrange(3_600_000),
        )
        kind = self._random.random()
        if kind < 0.15:
            event.ids.append(self._some_device())
        elif kind < 0.25 and project == LOOP:
            event.kind = event_pb2.EVENT_KIND_PROFILE_INCREMENT
            event.name = ""
            event.number_properties["visits"] = 1
        return event

    def _some_device(self) -> Identifier:
        """A known one, or a new one: once everything is linked, nothing changes any more."""
        if self._random.random() < 0.5:
            return device(CUSTOMERS * 2 + self._journal.number())
        return device(self._random.randrange(CUSTOMERS * 2))

    def _acknowledge(self, project: str, events: list[event_pb2.Event]) -> None:
        for event in events:
            if event.kind == event_pb2.EVENT_KIND_TRACK:
                self._journal.acknowledged[event.message_id] = project
            else:
                self._journal.increments += 1

    async def _link(self) -> None:
        while await self._journal.turn(0.6):
            left = customer(self._random.randrange(CUSTOMERS))
            right = self._some_device()
            stub = self._world.client.identity
            evidence = identity_pb.Evidence(
                evidence_id=f"e-{self._journal.number()}",
                ids=[left, right],
                evidence_class=EVIDENCE_CLASS_AUTHENTICATED,
                event_time_ms=now_ms(),
                source="chaos",
            )
            link = identity_pb.LinkRequest(project_id=LOOP, evidence=evidence)
            await self._journal.ask("Link", stub.Link, link)
            if self._random.random() < 0.4:
                await self._unlink(left, right)

    async def _unlink(self, left: Identifier, right: Identifier) -> None:
        """One proposes it, another one approves."""
        unlink = steward_pb2.UnlinkRequest(
            project_id=LOOP, request_id=f"unlink-{self._journal.number()}",
            left=left, right=right, reason="chaos",
        )  # fmt: skip
        proposed = await self._journal.ask("Unlink", self._world.client.identity.Unlink, unlink)
        approval = steward_pb2.ApproveProposalRequest(
            project_id=LOOP, proposal_id=proposed.proposal.proposal_id
        )
        approve = self._world.approver.identity.ApproveProposal
        await self._journal.ask("ApproveProposal", approve, approval)

    async def _state(self) -> None:
        while await self._journal.turn(0.6):
            operations = [
                profile_pb.TraitOperation(
                    operation_id=f"o-{self._journal.number()}",
                    identifier=customer(self._random.randrange(CUSTOMERS)),
                    trait="visits",
                    kind=profile_pb.TRAIT_OPERATION_KIND_INCREMENT,
                    value=Value(number_value=1),
                    event_time_ms=now_ms(),
                )
                for _ in range(3)
            ]
            request = profile_pb.ApplyTraitsRequest(project_id=LOOP, operations=operations)
            await self._journal.ask("ApplyTraits", self._world.client.profile.ApplyTraits, request)
            self._journal.increments += len(operations)
