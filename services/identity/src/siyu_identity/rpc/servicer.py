"""Serves siyu.identity.v1.IdentityService: map in, call the use case, map out."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from siyu.identity.v1 import identity_service_pb2 as pb
from siyu.identity.v1 import identity_service_pb2_grpc as pb_grpc
from siyu.type.v1.item_result_pb2 import ItemResult
from siyu_identity.app.get_person import GetPerson
from siyu_identity.app.link import Claim, LinkEvidence, check
from siyu_identity.app.ports import ChangeFeed
from siyu_identity.app.resolve import ResolveIdentifiers
from siyu_identity.app.unlink import UnlinkIdentifiers, unknown_identifier
from siyu_identity.app.watch import watch
from siyu_identity.domain.evidence import Identifier
from siyu_identity.rpc import mapping
from siyu_kit.clock import Clock
from siyu_kit.errors import DomainError
from siyu_kit.rpc.status import item_status

_MAX_RESOLVED: Final = 5_000
_MAX_LINKED: Final = 1_000
_MAX_PAGE: Final = 1_000
_DEFAULT_PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class UseCases:
    """What the servicer calls."""

    resolve: ResolveIdentifiers
    link: LinkEvidence
    unlink: UnlinkIdentifiers
    get_person: GetPerson
    feed: ChangeFeed
    clock: Clock


class IdentityServicer(pb_grpc.IdentityServiceServicer):
    """Each method is the mapping of one use case; errors leave by the kit's one mapping."""

    def __init__(self, use: UseCases) -> None:
        self._use = use

    async def Resolve(self, request: pb.ResolveRequest, context: Any) -> pb.ResolveResponse:
        identifier = mapping.identifier_of(request.identifier, "identifier")
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
        wanted: list[Identifier | None] = []
        response = pb.ResolveBatchResponse()
        for index, message in enumerate(request.identifiers):
            try:
                wanted.append(mapping.identifier_of(message, f"identifiers[{index}]"))
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
        pairs = check(claim)
        sequence = await self._use.link(request.project_id, [claim])
        (standing,) = await self._use.resolve(request.project_id, [pairs[0][0]], create=False)
        return pb.LinkResponse(resolution=mapping.resolution(standing), sequence=sequence)

    async def LinkBatch(self, request: pb.LinkBatchRequest, context: Any) -> pb.LinkBatchResponse:
        if not 1 <= len(request.evidences) <= _MAX_LINKED:
            raise mapping.invalid("evidences", f"must hold 1 to {_MAX_LINKED} pieces of evidence")
        response = pb.LinkBatchResponse()
        claims: list[Claim] = []
        for index, evidence in enumerate(request.evidences):
            error: DomainError | None = None
            try:
                claim = mapping.claim_of(evidence, f"evidences[{index}]")
                check(claim)
                claims.append(claim)
            except DomainError as refusal:
                error = refusal
            response.results.append(ItemResult(index=index, status=item_status(error)))
        if claims:
            response.sequence = await self._use.link(request.project_id, claims)
        return response

    async def Unlink(self, request: pb.UnlinkRequest, context: Any) -> pb.UnlinkResponse:
        mapping.require_text(request.request_id, 100, "request_id")
        mapping.require_text(request.reason, 1_000, "reason")
        left = mapping.identifier_of(request.left, "left")
        right = mapping.identifier_of(request.right, "right")
        sequence = await self._use.unlink(
            request.project_id,
            request.request_id,
            left,
            right,
            request.SerializeToString(deterministic=True),
        )
        after = await self._use.resolve(request.project_id, [left, right], create=False)
        return pb.UnlinkResponse(
            left=mapping.resolution(after[0]),
            right=mapping.resolution(after[1]),
            sequence=sequence,
        )

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
