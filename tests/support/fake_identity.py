"""An identity servicer whose answers a test decides by the value it asks for."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from siyu.identity.v1 import identity_service_pb2 as pb
from siyu.identity.v1 import identity_service_pb2_grpc as pb_grpc
from siyu_kit.errors import DomainError, NotFound
from siyu_kit.rpc import Servicer
from siyu_kit.scope import Scope, current_scope
from siyu_kit.telemetry import inject


class FakeIdentity(pb_grpc.IdentityServiceServicer):
    """Answers, fails, or hangs, and remembers what it saw."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.entered = asyncio.Event()
        self.stopped = asyncio.Event()
        self.release = asyncio.Event()
        self.scope: Scope | None = None
        self.traceparent: str | None = None
        self.calls = 0
        self.identifiers = [("mobile", "+8613812345678"), ("anonymous_id", "anon-12345")]

    def servicer(self) -> Servicer:
        """What a server is given."""
        return Servicer(pb_grpc.add_IdentityServiceServicer_to_server, self)

    async def Resolve(self, request: pb.ResolveRequest, context: Any) -> pb.ResolveResponse:
        self.calls += 1
        self.scope = current_scope()
        self.traceparent = inject()
        self.entered.set()
        if self.error is not None:
            raise self.error
        if request.identifier.value == "wait":
            await self._hang()
        return pb.ResolveResponse(resolution=pb.Resolution(ident_no=7))

    async def GetPerson(self, request: pb.GetPersonRequest, context: Any) -> pb.GetPersonResponse:
        answer = pb.GetPersonResponse()
        answer.person.person_id = request.person_id
        for kind, value in self.identifiers:
            item = answer.person.identifiers.add()
            item.identifier.type, item.identifier.value = kind, value
        return answer

    async def WatchChanges(
        self,
        request: pb.WatchChangesRequest,
        context: Any,
    ) -> AsyncIterator[pb.WatchChangesResponse]:
        yield pb.WatchChangesResponse(checkpoint_sequence=1)
        self.entered.set()
        if request.after_sequence == 1:
            raise self.error or NotFound("GONE", "on the second message")
        if request.after_sequence == 2:
            await self._hang()
        yield pb.WatchChangesResponse(checkpoint_sequence=2)

    async def _hang(self) -> None:
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.stopped.set()
            raise


async def _unserved(self: Any, request: Any, context: Any) -> Any:
    raise NotImplementedError


for _method in pb.DESCRIPTOR.services_by_name["IdentityService"].methods:
    if _method.name not in vars(FakeIdentity):
        setattr(FakeIdentity, _method.name, _unserved)


def resolve(value: str = "anon", project: str = "demo") -> pb.ResolveRequest:
    """A request that names one identifier."""
    request = pb.ResolveRequest(project_id=project)
    request.identifier.type, request.identifier.value = "anonymous_id", value
    return request


async def refusal(awaitable: Any) -> DomainError:
    """The domain error a call ends with."""
    try:
        await awaitable
    except DomainError as error:
        return error
    raise AssertionError("the call was answered")
