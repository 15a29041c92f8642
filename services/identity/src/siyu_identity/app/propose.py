"""One steward asks for an operation: it is checked, kept, and nothing changes."""

from collections.abc import Sequence
from typing import NamedTuple

from siyu_identity.app.desk import Desk, Desks
from siyu_identity.app.ports import Graph
from siyu_identity.app.splitting import members_of_person
from siyu_identity.app.transact import transact
from siyu_identity.app.unlink import evidence_between
from siyu_identity.domain.evidence import Identifier
from siyu_identity.domain.policy import IdTypePolicy
from siyu_identity.domain.policy_body import policy_body
from siyu_identity.domain.proposal import (
    Kind,
    Operation,
    Proposal,
    State,
    content_of,
    may_replace,
    unfit,
)
from siyu_kit.clock import Clock
from siyu_kit.errors import NotFound
from siyu_kit.ids import new_id


class Request(NamedTuple):
    """What a steward asks for."""

    kind: Kind
    request_id: str
    reason: str
    groups: Sequence[Sequence[Identifier]] = ()
    reverse: bool = False
    policy: IdTypePolicy | None = None
    base: int = 0
    """The version that the policy was made from."""


class ProposeOperation:
    """Keeps proposals; a repeated request gives the proposal that it made the first time."""

    def __init__(self, desks: Desks, clock: Clock) -> None:
        self._desks = desks
        self._clock = clock

    async def __call__(self, project_id: str, actor: str, request: Request) -> Proposal:
        """The proposal. Raises NotFound for unknown identifiers, PreconditionFailed for unfit."""

        async def work(desk: Desk) -> Proposal:
            operation = await _operation(desk, request)
            content = content_of(operation, request.reason)
            earlier = await desk.proposals.earlier(request.request_id, content)
            if earlier is not None:
                return earlier
            await _check(desk, operation)
            proposal = Proposal(
                proposal_id=new_id(),
                operation=operation,
                state=State.PROPOSED,
                reason=request.reason,
                proposed_by=actor,
                proposed_ms=self._clock.now_ms(),
            )
            await desk.proposals.add(proposal, request.request_id, content)
            return proposal

        return await transact(self._desks, self._clock, project_id, work)


async def _operation(desk: Desk, request: Request) -> Operation:
    known = await numbers_of(desk.graph, [item for group in request.groups for item in group])
    groups = [[known[item] for item in group] for group in request.groups]
    body = None if request.policy is None else policy_body(request.policy)
    return Operation(request.kind, groups, request.reverse, body, request.base)


async def numbers_of(graph: Graph, identifiers: Sequence[Identifier]) -> dict[Identifier, int]:
    """The numbers of identifiers; raises NotFound for one that is unknown."""
    known = await graph.find(identifiers)
    for item in identifiers:
        if item not in known:
            raise unknown_identifier(item)
    return {item: ident.no for item, ident in known.items()}


async def _check(desk: Desk, operation: Operation) -> None:
    """What can be told now; it is looked at again when it is approved."""
    numbers = operation.numbers
    if len(set(numbers)) != len(numbers):
        raise unfit("the identifiers must be distinct")
    match operation.kind:
        case Kind.UNLINK:
            await evidence_between(desk.graph, *numbers)
        case Kind.SPLIT:
            await members_of_person(desk, operation.groups)
        case Kind.RETIRE:
            types = {ident.type for ident in (await desk.graph.numbered(numbers)).values()}
            if len(types) != 1:
                raise unfit("only an identifier of the same type can take the place of another")
        case Kind.POLICY:
            may_replace(operation.base, (await desk.graph.policy()).version)


def unknown_identifier(identifier: Identifier, field: str = "identifier") -> NotFound:
    """The error for an identifier that nobody has heard of; its value stays out of it."""
    return NotFound(
        "IDENTIFIER_UNKNOWN", f"{field} is not known", field=field, type=identifier.type
    )
