"""Makes a new version of the policy hold."""

from siyu_identity.app.desk import Desk
from siyu_identity.domain.policy_body import policy_of
from siyu_identity.domain.proposal import Proposal, may_replace, unfit
from siyu_identity.domain.run import Run, RunKind
from siyu_kit.ids import new_id


async def activate(desk: Desk, proposal: Proposal, now_ms: int) -> tuple[int, str]:
    """The version that holds from the commit on, and the run that brings persons in line.

    Raises PreconditionFailed (OPERATION_UNFIT) when another version has come to hold meanwhile.
    """
    body = proposal.operation.policy
    if body is None:
        raise unfit("the proposal has no policy")
    may_replace(proposal.operation.base, await desk.ledger.hold_policy())
    version = await desk.ledger.activate(policy_of(0, body))
    run = Run(new_id(), RunKind.POLICY, now_ms, now_ms, policy_version=version)
    await desk.runs.start(run, f"policy-{proposal.proposal_id}", proposal.proposal_id.encode())
    return version, run.run_id
