"""What one steward asks for and another one decides.

An operation speaks of identifiers by number only, so that no proposal keeps a value that an
erasure would have to find.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from siyu_kit.errors import PermissionDenied, PreconditionFailed

OPEN_FOR_MS: Final = 7 * 24 * 3600 * 1000
"""An older proposal cannot be approved: the persons it was made about have moved on."""


class Kind(IntEnum):
    """What a proposal is about (the numbers of the contract)."""

    UNLINK = 1
    LINK = 2
    SPLIT = 3
    CANNOT_LINK = 4
    RETIRE = 5
    ERASE = 6
    POLICY = 7


class State(IntEnum):
    """How far it is (the numbers of the contract)."""

    PROPOSED = 1
    APPLIED = 2
    REJECTED = 3


@dataclass(frozen=True, slots=True)
class Operation:
    """What is to be done."""

    kind: Kind
    groups: Sequence[Sequence[int]] = ()
    """Identifiers by number: one group, but for a split."""
    reverse: bool = False
    """Whether it takes back an earlier one of its kind."""
    policy: Mapping[str, Any] | None = None
    """The body of the policy."""
    base: int = 0
    """The version of the policy that the new one was made from; 0 for other kinds."""

    @property
    def numbers(self) -> list[int]:
        """All identifiers, in order."""
        return [no for group in self.groups for no in group]


@dataclass(frozen=True, slots=True)
class Proposal:
    """An operation, who asked for it and who decided."""

    proposal_id: str
    operation: Operation
    state: State
    reason: str
    proposed_by: str
    proposed_ms: int
    decided_by: str = ""
    decided_ms: int = 0
    last_row: int = 0
    """Outbox row of the last change that followed."""
    policy_version: int = 0
    run_id: str = ""


def body_of(operation: Operation) -> dict[str, Any]:
    """Everything but the kind, as JSON keeps it."""
    return {
        "groups": [list(group) for group in operation.groups],
        "reverse": operation.reverse,
        "policy": operation.policy,
        "base": operation.base,
    }


def content_of(operation: Operation, reason: str) -> bytes:
    """What is asked, to tell a repetition from another request; no identifier's value is in it."""
    return json.dumps([operation.kind, body_of(operation), reason], sort_keys=True).encode()


def may_approve(proposal: Proposal, actor: str, now_ms: int) -> None:
    """Raises PermissionDenied for the proposer, PreconditionFailed for a closed proposal."""
    must_differ(proposal.proposed_by, actor)
    too_old = now_ms - proposal.proposed_ms > OPEN_FOR_MS
    if proposal.state is not State.PROPOSED or too_old:
        raise closed("EXPIRED" if too_old else proposal.state.name)


def must_differ(first: str, second: str) -> None:
    """Two people have to agree; raises PermissionDenied (SAME_ACTOR)."""
    if first == second:
        raise PermissionDenied(
            "SAME_ACTOR", "somebody else has to approve what one has proposed", subject=second
        )


def may_replace(base: int, active: int) -> None:
    """A new policy takes the place of the one it was made from, and of no other.

    Raises PreconditionFailed (OPERATION_UNFIT): approving it would undo what nobody looked at.
    """
    if base != active:
        raise unfit(f"it was made from version {base} of the policy; version {active} holds")


def closed(state: str) -> PreconditionFailed:
    """The error for a proposal that was decided, or is too old."""
    return PreconditionFailed(
        "PROPOSAL_CLOSED", f"the proposal is {state.lower()}; make a new one", state=state
    )


def unfit(rule: str) -> PreconditionFailed:
    """The error for identifiers, or a policy, that do not stand as an operation needs it."""
    return PreconditionFailed("OPERATION_UNFIT", rule, rule=rule)
