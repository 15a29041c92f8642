"""Serves siyu.identity.v1.IdentityService: map in, call the use case, map out."""

from collections.abc import AsyncIterator
from typing import Any, Final

from siyu.identity.v1 import identity_service_pb2 as pb
from siyu.identity.v1 import identity_service_pb2_grpc as pb_grpc
from siyu.type.v1.item_result_pb2 import ItemResult
from siyu_identity.app.link import Claim, check, reused
from siyu_identity.app.propose import unknown_identifier
from siyu_identity.app.watch import watch
from siyu_identity.domain.evidence import Identifier
from siyu_identity.rpc import mapping
from siyu_identity.rpc.policy_methods import PolicyMethods
from siyu_identity.rpc.question_methods import QuestionMethods
from siyu_identity.rpc.steward_methods import StewardMethods
from siyu_kit.auth import current_caller
from siyu_kit.errors import DomainError
from siyu_kit.rpc.status import item_status

_MAX_RESOLVED: Final = 5_000
_MAX_LINKED: Final = 1_000
_MAX_PAGE: Final = 1_000
_DEFAULT_PAGE: Final = 100


class IdentityServicer(
    StewardMethods, PolicyMethods, QuestionMethods, pb_grpc.IdentityServiceServicer
):
    """Each method is the mapping of one use case; errors leave by the kit's one mapping."""

    async def Resolve(self, request: pb.ResolveRequest, context: Any) -> pb.ResolveResponse:
        read = mapping.numbered_of if request.create else mapping.identifier_of
        identifier = read(request.identifier, "identifier")
        (standing,) = await self._use.resolve(
            request.project_id, [identifier], create=request.create
        )
        if standing is None:
            raise unknown_identifier(identifier)
        return pb.ResolveResponse(resolution=mapping.resolution(standing))

    async def ResolveBatch(
        self, request: pb.ResolveBatchRequest, context: Any
    ) -> pb.ResolveBatchResponse:
        if not 1 <= len(request.identifiers) <= _MAX_RESOLVED:
            raise mapping.invalid("identifiers", f"must hold 1 to {_MAX_RESOLVED} identifiers")
        read = mapping.numbered_of if request.create else mapping.identifier_of
        wanted: list[Identifier | None] = []
        response = pb.ResolveBatchResponse()
        for index, message in enumerate(request.identifiers):
            try:
                wanted.append(read(message, f"identifiers[{index}]"))
            except DomainError as error:
                wanted.append(None)
                response.refused.append(ItemResult(index=index, status=item_status(error)))
        standings = iter(
            await self._use.resolve(
                request.project_id,
                [item for item in wanted if item is not None],
                create=request.create,
            )
        )
        response.resolutions.extend(
            mapping.resolution(None if item is None else next(standings)) for item in wanted
        )
        return response

    async def Link(self, request: pb.LinkRequest, context: Any) -> pb.LinkResponse:
        claim = mapping.claim_of(request.evidence, "evidence")
        pairs = check(claim, await self._use.policies.get(request.project_id, None))
        linked = await self._use.link(request.project_id, [claim], current_caller().subject)
        if linked.reused:
            raise reused(claim.evidence_id)
        (standing,) = await self._use.resolve(request.project_id, [pairs[0][0]], create=False)
        return pb.LinkResponse(resolution=mapping.resolution(standing), sequence=linked.sequence)

    async def LinkBatch(self, request: pb.LinkBatchRequest, context: Any) -> pb.LinkBatchResponse:
        if not 1 <= len(request.evidences) <= _MAX_LINKED:
            raise mapping.invalid("evidences", f"must hold 1 to {_MAX_LINKED} pieces of evidence")
        response = pb.LinkBatchResponse()
        policy = await self._use.policies.get(request.project_id, None)
        claims: dict[int, Claim] = {}
        for index, evidence in enumerate(request.evidences):
            error: DomainError | None = None
            try:
                claim = mapping.claim_of(evidence, f"evidences[{index}]")
                check(claim, policy)
                claims[index] = claim
            except DomainError as refusal:
                error = refusal
            response.results.append(ItemResult(index=index, status=item_status(error)))
        if claims:
            linked = await self._use.link(
                request.project_id, list(claims.values()), current_caller().subject
            )
            response.sequence = linked.sequence
            places = list(claims)
            for index in (places[at] for at in linked.reused):
                error = reused(claims[index].evidence_id)
                response.results[index].status.CopyFrom(item_status(error))
        return response

    async def GetPerson(self, request: pb.GetPersonRequest, context: Any) -> pb.GetPersonResponse:
        person = await self._use.get_person(request.project_id, mapping.person_key(request))
        return pb.GetPersonResponse(person=mapping.person_message(person))

    async def ListChanges(
        self, request: pb.ListChangesRequest, context: Any
    ) -> pb.ListChangesResponse:
        if request.page_size < 0:
            raise mapping.invalid("page_size", "must not be negative")
        size = min(request.page_size or _DEFAULT_PAGE, _MAX_PAGE)
        page = await self._use.feed.page(request.project_id, request.after_sequence, size)
        return pb.ListChangesResponse(
            changes=mapping.changes(page.rows), next_sequence=page.seen, more=page.more
        )

    async def WatchChanges(
        self, request: pb.WatchChangesRequest, context: Any
    ) -> AsyncIterator[pb.WatchChangesResponse]:
        pages = watch(self._use.feed, self._use.clock, request.project_id, request.after_sequence)
        async for page in pages:
            for change in mapping.changes(page.rows):
                yield pb.WatchChangesResponse(change=change, checkpoint_sequence=change.sequence)
            if not page.rows:
                yield pb.WatchChangesResponse(checkpoint_sequence=page.seen)
