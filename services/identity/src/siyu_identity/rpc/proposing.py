"""What the methods of several files share."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from siyu.identity.v1 import steward_pb2 as pb
from siyu_identity.app.as_of import ResolveAsOf
from siyu_identity.app.conflicts import ListConflicts
from siyu_identity.app.decide import DecideProposal
from siyu_identity.app.desk import Desks
from siyu_identity.app.explain import ExplainIdentity
from siyu_identity.app.get_person import GetPerson
from siyu_identity.app.link import LinkEvidence
from siyu_identity.app.policies import Policies, Runs
from siyu_identity.app.ports import ChangeFeed
from siyu_identity.app.propose import ProposeOperation, Request
from siyu_identity.app.resolve import ResolveIdentifiers
from siyu_identity.app.review import DecideReview
from siyu_identity.domain.evidence import Identifier
from siyu_identity.domain.policy import IdTypePolicy
from siyu_identity.domain.proposal import Kind
from siyu_identity.rpc import mapping
from siyu_identity.rpc.steward_mapping import proposal_message
from siyu_kit.auth import current_caller
from siyu_kit.clock import Clock
from siyu_kit.rpc.paging import PageTokens


@dataclass(frozen=True, slots=True)
class UseCases:
    """What the servicer calls."""

    resolve: ResolveIdentifiers
    as_of: ResolveAsOf
    link: LinkEvidence
    propose: ProposeOperation
    decide: DecideProposal
    decide_review: DecideReview
    get_person: GetPerson
    explain: ExplainIdentity
    conflicts: ListConflicts
    policies: Policies
    runs: Runs
    desks: Desks
    feed: ChangeFeed
    tokens: PageTokens
    clock: Clock


class Asked(Protocol):
    """A request that proposes something."""

    project_id: str
    request_id: str
    reason: str


class Proposing:
    """Holds the use cases, and proposes."""

    def __init__(self, use: UseCases) -> None:
        self._use = use

    async def _propose(
        self,
        request: Asked,
        kind: Kind,
        groups: Sequence[Sequence[Identifier]] = (),
        *,
        reverse: bool = False,
        policy: IdTypePolicy | None = None,
        base: int = 0,
    ) -> pb.Proposal:
        mapping.require_text(request.request_id, 100, "request_id")
        mapping.require_text(request.reason, 500, "reason")
        asked = Request(kind, request.request_id, request.reason, groups, reverse, policy, base)
        proposal = await self._use.propose(request.project_id, current_caller().subject, asked)
        names = await self._named(request.project_id, proposal.operation.numbers)
        return proposal_message(proposal, names)

    async def _named(self, project_id: str, numbers: Collection[int]) -> Mapping[int, Identifier]:
        if not numbers:
            return {}
        async with self._use.desks.snapshot(project_id) as desk:
            return await desk.graph.named(numbers)
