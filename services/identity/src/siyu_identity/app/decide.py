"""Another steward decides what one has asked for."""

from dataclasses import replace

from siyu_identity.app.activate import activate
from siyu_identity.app.desk import Desk, Desks
from siyu_identity.app.operations import carry_out
from siyu_identity.app.ports import ChangeFeed
from siyu_identity.app.transact import transact
from siyu_identity.domain.proposal import Kind, Proposal, State, closed, may_approve
from siyu_kit.clock import Clock


class DecideProposal:
    """Approves and rejects; a repeated decision gives the first one's answer."""

    def __init__(self, desks: Desks, feed: ChangeFeed, clock: Clock) -> None:
        self._desks = desks
        self._feed = feed
        self._clock = clock

    async def approve(self, project_id: str, proposal_id: str, actor: str) -> tuple[Proposal, int]:
        """Carry it out; also the sequence of the last change, 0 without one or not known yet.

        Raises PermissionDenied (SAME_ACTOR) for who proposed it, PreconditionFailed
        (PROPOSAL_CLOSED, OPERATION_UNFIT).
        """

        async def work(desk: Desk) -> Proposal:
            proposal = await desk.proposals.get(proposal_id)
            if proposal.state is State.APPLIED and proposal.decided_by == actor:
                return proposal
            now_ms = self._clock.now_ms()
            may_approve(proposal, actor, now_ms)
            applied = replace(proposal, state=State.APPLIED, decided_by=actor, decided_ms=now_ms)
            if proposal.operation.kind is Kind.POLICY:
                version, run_id = await activate(desk, proposal, now_ms)
                applied = replace(applied, policy_version=version, run_id=run_id)
            else:
                rows = await carry_out(desk, proposal.operation, now_ms)
                applied = replace(applied, last_row=rows[-1] if rows else 0)
            await desk.proposals.put(applied)
            return applied

        applied = await transact(self._desks, self._clock, project_id, work)
        rows = [applied.last_row] if applied.last_row else []
        return applied, await self._feed.sequence_of(rows)

    async def reject(self, project_id: str, proposal_id: str, actor: str) -> Proposal:
        """Turn it down; raises PreconditionFailed (PROPOSAL_CLOSED) when it was applied."""

        async def work(desk: Desk) -> Proposal:
            proposal = await desk.proposals.get(proposal_id)
            if proposal.state is State.REJECTED:
                return proposal
            if proposal.state is not State.PROPOSED:
                raise closed(proposal.state.name)
            rejected = replace(
                proposal,
                state=State.REJECTED,
                decided_by=actor,
                decided_ms=self._clock.now_ms(),
            )
            await desk.proposals.put(rejected)
            return rejected

        return await transact(self._desks, self._clock, project_id, work)
