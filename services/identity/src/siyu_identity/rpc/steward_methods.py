"""The methods by which stewards ask for something and decide it."""

from typing import Any

from siyu.identity.v1 import steward_pb2 as pb
from siyu_identity.domain.proposal import Kind, State
from siyu_identity.domain.review import ReviewState
from siyu_identity.rpc.mapping import identifier_of, invalid
from siyu_identity.rpc.proposing import Proposing
from siyu_identity.rpc.steward_mapping import groups_of, proposal_message, review_message
from siyu_kit.auth import current_caller
from siyu_kit.rpc.enums import chosen
from siyu_kit.rpc.paging import page_size, request_digest


class StewardMethods(Proposing):
    """Nothing changes before a second person agrees."""

    async def Unlink(self, request: pb.UnlinkRequest, context: Any) -> pb.UnlinkResponse:
        group = [identifier_of(request.left, "left")]
        if request.HasField("right"):
            group.append(identifier_of(request.right, "right"))
            if group[0] == group[1]:
                raise invalid("right", "is the same identifier")
        return pb.UnlinkResponse(proposal=await self._propose(request, Kind.UNLINK, [group]))

    async def LinkByHand(
        self, request: pb.LinkByHandRequest, context: Any
    ) -> pb.LinkByHandResponse:
        ends = [identifier_of(request.left, "left"), identifier_of(request.right, "right")]
        return pb.LinkByHandResponse(proposal=await self._propose(request, Kind.LINK, [ends]))

    async def Split(self, request: pb.SplitRequest, context: Any) -> pb.SplitResponse:
        proposal = await self._propose(request, Kind.SPLIT, groups_of(request))
        return pb.SplitResponse(proposal=proposal)

    async def CannotLink(
        self, request: pb.CannotLinkRequest, context: Any
    ) -> pb.CannotLinkResponse:
        ends = [identifier_of(request.left, "left"), identifier_of(request.right, "right")]
        proposal = await self._propose(request, Kind.CANNOT_LINK, [ends], reverse=request.lifted)
        return pb.CannotLinkResponse(proposal=proposal)

    async def Retire(self, request: pb.RetireRequest, context: Any) -> pb.RetireResponse:
        ends = [
            identifier_of(request.identifier, "identifier"),
            identifier_of(request.superseded_by, "superseded_by"),
        ]
        proposal = await self._propose(request, Kind.RETIRE, [ends], reverse=request.reinstated)
        return pb.RetireResponse(proposal=proposal)

    async def EraseIdentifier(
        self, request: pb.EraseIdentifierRequest, context: Any
    ) -> pb.EraseIdentifierResponse:
        one = [identifier_of(request.identifier, "identifier")]
        return pb.EraseIdentifierResponse(proposal=await self._propose(request, Kind.ERASE, [one]))

    async def ApproveProposal(
        self, request: pb.ApproveProposalRequest, context: Any
    ) -> pb.ApproveProposalResponse:
        proposal, sequence = await self._use.decide.approve(
            request.project_id, request.proposal_id, current_caller().subject
        )
        names = await self._named(request.project_id, proposal.operation.numbers)
        return pb.ApproveProposalResponse(
            proposal=proposal_message(proposal, names), sequence=sequence
        )

    async def RejectProposal(
        self, request: pb.RejectProposalRequest, context: Any
    ) -> pb.RejectProposalResponse:
        proposal = await self._use.decide.reject(
            request.project_id, request.proposal_id, current_caller().subject
        )
        names = await self._named(request.project_id, proposal.operation.numbers)
        return pb.RejectProposalResponse(proposal=proposal_message(proposal, names))

    async def ListProposals(
        self, request: pb.ListProposalsRequest, context: Any
    ) -> pb.ListProposalsResponse:
        size, digest = page_size(request.page_size), request_digest(request)
        before = self._use.tokens.decode(request.page_token, digest).decode()
        state = chosen(State, request.state, "state") if request.state else None
        async with self._use.desks.snapshot(request.project_id) as desk:
            found = await desk.proposals.page(state, before, size)
            names = await desk.graph.named({no for item in found for no in item.operation.numbers})
        full = len(found) == size
        return pb.ListProposalsResponse(
            proposals=[proposal_message(item, names) for item in found],
            next_page_token=self._use.tokens.encode(found[-1].proposal_id, digest) if full else "",
        )

    async def ListReviews(
        self, request: pb.ListReviewsRequest, context: Any
    ) -> pb.ListReviewsResponse:
        size, digest = page_size(request.page_size), request_digest(request)
        cursor = self._use.tokens.decode(request.page_token, digest).decode() or "0:0"
        left, _, right = cursor.partition(":")
        state = chosen(ReviewState, request.state or ReviewState.WAITING, "state")
        async with self._use.desks.snapshot(request.project_id) as desk:
            found = await desk.reviews.page(state, (int(left), int(right)), size)
            names = await desk.graph.named({no for item in found for no in item.pair})
        response = pb.ListReviewsResponse(reviews=[review_message(item, names) for item in found])
        if len(found) == size:
            last = "{}:{}".format(*found[-1].pair)
            response.next_page_token = self._use.tokens.encode(last, digest)
        return response

    async def DecideReview(
        self, request: pb.DecideReviewRequest, context: Any
    ) -> pb.DecideReviewResponse:
        left, right = request.left_ident_no, request.right_ident_no
        review, sequence = await self._use.decide_review(
            request.project_id,
            (min(left, right), max(left, right)),
            current_caller().subject,
            accept=request.accept,
        )
        names = await self._named(request.project_id, review.pair)
        return pb.DecideReviewResponse(review=review_message(review, names), sequence=sequence)
