"""Stewards' messages: contract <-> domain."""

from collections.abc import Mapping, Sequence

from siyu.identity.v1 import steward_pb2 as pb
from siyu.type.v1.identifier_pb2 import Identifier as IdentifierMessage
from siyu_identity.app.conflicts import Quarantined, Refused
from siyu_identity.app.explain import Known
from siyu_identity.domain.evidence import NEVER, Identifier, Strength
from siyu_identity.domain.ident import Flag
from siyu_identity.domain.proposal import Proposal
from siyu_identity.domain.review import Review
from siyu_identity.domain.verdict import Judged
from siyu_identity.rpc.mapping import identifier_of, invalid

_MAX_GROUPS = 20
_NOBODY = Identifier("", "")


def groups_of(request: pb.SplitRequest) -> list[list[Identifier]]:
    """The groups of a split; raises InvalidInput."""
    if not 1 <= len(request.groups) <= _MAX_GROUPS:
        raise invalid("groups", f"must hold 1 to {_MAX_GROUPS} groups")
    return [
        [
            identifier_of(item, f"groups[{index}].identifiers[{number}]")
            for number, item in enumerate(group.identifiers)
        ]
        for index, group in enumerate(request.groups)
    ]


def identifier_message(identifier: Identifier) -> IdentifierMessage:
    """The message of an identifier."""
    return IdentifierMessage(type=identifier.type, value=identifier.value)


def proposal_message(proposal: Proposal, names: Mapping[int, Identifier]) -> pb.Proposal:
    """The message of a proposal; ``names`` of the identifiers that it is about."""
    operation = proposal.operation
    return pb.Proposal(
        proposal_id=proposal.proposal_id,
        kind=operation.kind.value,  # type: ignore[arg-type]
        state=proposal.state.value,  # type: ignore[arg-type]
        identifiers=[identifier_message(names.get(no, _NOBODY)) for no in operation.numbers],
        group_sizes=[len(group) for group in operation.groups],
        reverse=operation.reverse,
        reason=proposal.reason,
        proposed_by=proposal.proposed_by,
        propose_time_ms=proposal.proposed_ms,
        decided_by=proposal.decided_by,
        decide_time_ms=proposal.decided_ms,
        policy_version=proposal.policy_version,
        run_id=proposal.run_id,
    )


def review_message(review: Review, names: Mapping[int, Identifier]) -> pb.Review:
    """The message of a review; ``names`` of its two identifiers."""
    left, right = review.pair
    return pb.Review(
        left_ident_no=left,
        right_ident_no=right,
        left=identifier_message(names.get(left, _NOBODY)),
        right=identifier_message(names.get(right, _NOBODY)),
        state=review.state.value,  # type: ignore[arg-type]
        source=review.source,
        submitted_by=review.submitted_by,
        submit_time_ms=review.submitted_ms,
        decided_by=review.decided_by,
        decide_time_ms=review.decided_ms,
    )


def node_message(known: Known) -> pb.GraphNode:
    """The message of an identifier and its person."""
    ident = known.ident
    return pb.GraphNode(
        ident_no=ident.no,
        identifier=identifier_message(known.identifier),
        person_no=ident.place.person_no,
        quarantined=ident.place.quarantined,
        blocked=bool(ident.flags & Flag.BLOCKED),
        retired=bool(ident.flags & Flag.RETIRED),
        erased=bool(ident.flags & Flag.ERASED),
    )


def link_message(judged: Judged) -> pb.GraphLink:
    """The message of evidence and what became of it."""
    edge = judged.edge
    said = edge.linked_ms != NEVER
    return pb.GraphLink(
        left_ident_no=judged.pair[0],
        right_ident_no=judged.pair[1],
        evidence_class=Strength(edge.strength).value if said else 0,  # type: ignore[arg-type]
        first_time_ms=edge.first_ms if said else 0,
        linked_time_ms=edge.linked_ms if said else 0,
        unlinked_time_ms=max(0, edge.unlinked_ms),
        verdict=judged.verdict.value,  # type: ignore[arg-type]
        type=judged.type,
    )


def conflict_messages(items: Sequence[Quarantined | Refused]) -> list[pb.IdentityConflict]:
    """The messages of conflicts."""
    return [
        pb.IdentityConflict(
            left=node_message(item.node), neighbours=item.neighbours, owners=item.owners
        )
        if isinstance(item, Quarantined)
        else pb.IdentityConflict(
            link=link_message(item.link),
            left=node_message(item.left),
            right=node_message(item.right),
        )
        for item in items
    ]
