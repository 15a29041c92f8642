"""The segment service's RPCs: map in, call the use case, map out."""

from typing import Any

from siyu.event.v1 import membership_change_pb2 as feed_pb
from siyu.segment.v1 import segment_service_pb2 as pb
from siyu.segment.v1.segment_service_pb2_grpc import SegmentServiceServicer
from siyu_kit.clock import Clock
from siyu_kit.rpc.paging import PageTokens, page_size, request_digest
from siyu_segment.app.create_segment import create_segment
from siyu_segment.app.ports import AsOf, AudienceSource, SegmentStore
from siyu_segment.app.read_membership import explain_member, read_membership
from siyu_segment.app.refresh_segment import refresh_segment
from siyu_segment.app.update_segment import update_segment
from siyu_segment.domain.membership import page_of
from siyu_segment.domain.segment import DEFAULT_ZONE, Definition
from siyu_segment.rpc import mapping


class SegmentServicer(SegmentServiceServicer):
    """Serves ``siyu.segment.v1.SegmentService``."""

    def __init__(
        self, store: SegmentStore, audiences: AudienceSource, clock: Clock, pages: PageTokens
    ) -> None:
        self._store = store
        self._audiences = audiences
        self._clock = clock
        self._pages = pages

    async def CreateSegment(
        self, request: pb.CreateSegmentRequest, context: Any
    ) -> pb.CreateSegmentResponse:
        segment = await create_segment(
            self._store,
            self._audiences,
            self._clock,
            project_id=request.project_id,
            request_id=request.request_id,
            name=request.segment.name,
            description=request.segment.description,
            definition=mapping.definition_of(request.segment),
        )
        return pb.CreateSegmentResponse(segment=mapping.to_segment(segment))

    async def UpdateSegment(
        self, request: pb.UpdateSegmentRequest, context: Any
    ) -> pb.UpdateSegmentResponse:
        segment = await update_segment(
            self._store,
            self._audiences,
            self._clock,
            project_id=request.project_id,
            segment_id=request.segment.segment_id,
            etag=request.segment.etag,
            change=mapping.change_of(request),
        )
        return pb.UpdateSegmentResponse(segment=mapping.to_segment(segment))

    async def GetSegment(
        self, request: pb.GetSegmentRequest, context: Any
    ) -> pb.GetSegmentResponse:
        segment = await self._store.version(request.project_id, request.segment_id, request.version)
        return pb.GetSegmentResponse(segment=mapping.to_segment(segment))

    async def ListSegments(
        self, request: pb.ListSegmentsRequest, context: Any
    ) -> pb.ListSegmentsResponse:
        digest = request_digest(request)
        after = self._pages.decode(request.page_token, digest).decode()
        size = page_size(request.page_size, default=100, most=1_000)
        page = await self._store.list(request.project_id, after, size)
        token = self._pages.encode(page.next_cursor, digest) if page.next_cursor else ""
        segments = [mapping.to_segment(segment) for segment in page.segments]
        return pb.ListSegmentsResponse(segments=segments, next_page_token=token)

    async def PreviewSegment(
        self, request: pb.PreviewSegmentRequest, context: Any
    ) -> pb.PreviewSegmentResponse:
        definition = Definition(
            mapping.condition_bytes(request.condition), request.zone or DEFAULT_ZONE
        )
        audience = await self._audiences.evaluate(
            request.project_id, definition, AsOf(time_ms=request.as_of_time_ms)
        )
        return pb.PreviewSegmentResponse(
            size=len(audience.members),
            population=audience.population,
            key=mapping.to_key(audience.key),
        )

    async def RefreshSegment(
        self, request: pb.RefreshSegmentRequest, context: Any
    ) -> pb.RefreshSegmentResponse:
        run = await refresh_segment(
            self._store,
            self._audiences,
            self._clock,
            project_id=request.project_id,
            segment_id=request.segment_id,
            request_id=request.request_id,
            as_of=mapping.as_of(request.as_of_time_ms, request.freshness),
        )
        return pb.RefreshSegmentResponse(run=mapping.to_run(run))

    async def GetSegmentRun(
        self, request: pb.GetSegmentRunRequest, context: Any
    ) -> pb.GetSegmentRunResponse:
        async with self._store.transaction() as unit:
            run = await unit.run(request.project_id, request.run_id)
        return pb.GetSegmentRunResponse(run=mapping.to_run(run))

    async def ListSegmentMembers(
        self, request: pb.ListSegmentMembersRequest, context: Any
    ) -> pb.ListSegmentMembersResponse:
        membership = await read_membership(
            self._store, request.project_id, request.segment_id, request.run_id
        )
        # The cursor names its run, so that the pages of one listing are of one membership.
        digest = request_digest(request) + membership.run.run_id.encode()
        cursor = self._pages.decode(request.page_token, digest)
        size = page_size(request.page_size, default=1_000, most=10_000)
        page, last = page_of(membership.members, int(cursor or b"0"), size)
        return pb.ListSegmentMembersResponse(
            person_nos=page,
            next_page_token=self._pages.encode(str(last), digest) if last else "",
            total=len(membership.members),
        )

    async def GetAudience(
        self, request: pb.GetAudienceRequest, context: Any
    ) -> pb.GetAudienceResponse:
        membership = await read_membership(
            self._store, request.project_id, request.segment_id, request.run_id
        )
        return pb.GetAudienceResponse(
            run=mapping.to_run(membership.run), bitmap=membership.members.serialize()
        )

    async def ExplainMember(
        self, request: pb.ExplainMemberRequest, context: Any
    ) -> pb.ExplainMemberResponse:
        standing = await explain_member(
            self._store,
            self._audiences,
            request.project_id,
            request.segment_id,
            request.person_no,
        )
        return pb.ExplainMemberResponse(
            member_published=standing.published,
            member=standing.explanation.member,
            nodes=standing.explanation.nodes,
            key=mapping.to_key(standing.explanation.key),
        )

    async def ListMembershipChanges(
        self, request: pb.ListMembershipChangesRequest, context: Any
    ) -> pb.ListMembershipChangesResponse:
        size = page_size(request.page_size, default=10, most=100)
        page = await self._store.changes(
            request.project_id, request.segment_id, request.after_sequence, size
        )
        rows = [
            pb.SequencedMembershipChange(
                sequence=row.sequence, batch=feed_pb.MembershipChangeBatch.FromString(row.payload)
            )
            for row in page.rows
        ]
        return pb.ListMembershipChangesResponse(
            changes=rows, next_sequence=page.next_sequence, more=page.more
        )
