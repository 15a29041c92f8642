"""Random histories as whole projects of a running platform."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson

from oracle.strategies import AS_OF_MS, History, ident_of
from siyu.collect.v1.collect_service_pb2 import ImportRequest
from siyu.event.v1.event_pb2 import Event
from siyu.identity.v1 import identity_service_pb2 as identity_pb
from siyu.profile.v1 import profile_service_pb2 as profile_pb
from siyu.type.v1.identifier_pb2 import EVIDENCE_CLASS_AUTHENTICATED, Identifier
from siyu_client.client import SiyuClient, call

LONG_AGO_MS = AS_OF_MS - 400 * 86_400_000


class RandomProject:
    """One history as one project: a person is a customer with devices."""

    def __init__(self, client: SiyuClient, project_id: str, history: History) -> None:
        self.client = client
        self.project_id = project_id
        self.history = history

    def identifier(self, ident: int) -> Identifier:
        """A person's anchor is a customer number; the other identifiers are devices."""
        if self.history.person_of[ident] == ident:
            return Identifier(type="customer_no", value=f"66{ident:06d}")
        return Identifier(type="device_id", value=f"device-of-history-{ident}")

    async def load(self) -> None:
        """Identifiers and links, traits, events."""
        idents = sorted(self.history.person_of)
        await call(
            self.client.identity.ResolveBatch,
            identity_pb.ResolveBatchRequest(
                project_id=self.project_id,
                identifiers=[self.identifier(ident) for ident in idents],
                create=True,
            ),
        )
        await self._link()
        await self._state_traits()
        if self.history.events:
            answer = await call(self.client.collect.Import, self._lines())
            assert answer.accepted == len(self.history.events), answer.refused

    async def person_nos(self) -> dict[int, int]:
        """The platform's number of each of the history's persons."""
        persons = sorted(set(self.history.person_of.values()))
        answer = await call(
            self.client.identity.ResolveBatch,
            identity_pb.ResolveBatchRequest(
                project_id=self.project_id, identifiers=[self.identifier(one) for one in persons]
            ),
        )
        return {
            person: found.person_no
            for person, found in zip(persons, answer.resolutions, strict=True)
        }

    async def _link(self) -> None:
        evidences = [
            identity_pb.Evidence(
                evidence_id=f"link-{ident}",
                ids=[self.identifier(ident), self.identifier(person)],
                evidence_class=EVIDENCE_CLASS_AUTHENTICATED,
                event_time_ms=LONG_AGO_MS,
                source="test",
            )
            for ident, person in self.history.person_of.items()
            if ident != person
        ]
        if evidences:
            request = identity_pb.LinkBatchRequest(project_id=self.project_id, evidences=evidences)
            answer = await call(self.client.identity.LinkBatch, request)
            assert not any(result.status.code for result in answer.results), answer

    async def _state_traits(self) -> None:
        operations = [
            profile_pb.TraitOperation(
                operation_id=f"{person}-{name}",
                identifier=self.identifier(person),
                trait=name,
                kind=profile_pb.TRAIT_OPERATION_KIND_SET,
                value=value,
                event_time_ms=LONG_AGO_MS,
            )
            for person, traits in self.history.traits.items()
            for name, value in traits.items()
        ]
        if operations:
            request = profile_pb.ApplyTraitsRequest(
                project_id=self.project_id, operations=operations
            )
            answer = await call(self.client.profile.ApplyTraits, request)
            assert not any(result.status.code for result in answer.results), answer

    async def _lines(self) -> AsyncIterator[ImportRequest]:
        lines = b"\n".join(orjson.dumps(self._line(event)) for event in self.history.events)
        yield ImportRequest(project_id=self.project_id, lines=lines)

    def _line(self, event: Event) -> dict[str, Any]:
        identifier = self.identifier(ident_of(event))
        properties: dict[str, Any] = {
            **event.string_properties,
            **event.number_properties,
            **event.bool_properties,
        }
        properties |= {name: {"$time": ms} for name, ms in event.time_properties.items()}
        properties |= {name: list(items.values) for name, items in event.list_properties.items()}
        return {
            "message_id": event.message_id,
            "type": "track",
            "event": event.name,
            "time": event.event_time_ms,
            "ids": {identifier.type: identifier.value},
            "properties": properties,
            "context": dict(event.context),
        }


async def load_all(projects: list[RandomProject], at_once: int = 16) -> None:
    """Load many projects, a few at a time."""
    waiting = iter(projects)

    async def worker() -> None:
        for project in waiting:
            await project.load()

    await asyncio.gather(*(worker() for _ in range(at_once)))
