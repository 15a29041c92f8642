"""Proposals in SQL."""

import json
from typing import Any, Final

from sqlalchemy import insert, select, update

from siyu_identity.domain.proposal import Kind, Operation, Proposal, State, body_of
from siyu_identity.store.graph import SqlGraph
from siyu_identity.store.tables import ProposalRow
from siyu_kit.errors import NotFound
from siyu_kit.sql.request_keys import earlier_result, remember
from siyu_kit.sql.upsert import table_of

_METHOD: Final = "siyu.identity.v1.IdentityService/Propose"
_table = table_of(ProposalRow)


class SqlProposals:
    """The proposals of one project, in a graph's transaction."""

    def __init__(self, graph: SqlGraph) -> None:
        self._session = graph.session
        self._project = graph.project_id

    async def earlier(self, request_id: str, content: bytes) -> Proposal | None:
        found = await earlier_result(self._session, self._project, _METHOD, request_id, content)
        return None if found is None else await self.get(found)

    async def add(self, proposal: Proposal, request_id: str, content: bytes) -> None:
        await self._session.execute(
            insert(_table), [{"project_id": self._project} | _values(proposal)]
        )
        await remember(
            self._session, self._project, _METHOD, request_id, content, proposal.proposal_id,
            at_ms=proposal.proposed_ms,
        )  # fmt: skip

    async def get(self, proposal_id: str) -> Proposal:
        rows = await self._session.execute(
            select(_table)
            .where(_table.c.project_id == self._project, _table.c.proposal_id == proposal_id)
            .with_for_update()
        )
        row = rows.first()
        if row is None:
            raise NotFound(
                "PROPOSAL_UNKNOWN", "there is no such proposal", proposal_id=proposal_id[:64]
            )
        return _proposal(row)

    async def put(self, proposal: Proposal) -> None:
        await self._session.execute(
            update(_table)
            .where(
                _table.c.project_id == self._project,
                _table.c.proposal_id == proposal.proposal_id,
            )
            .values(**_values(proposal))
        )

    async def page(self, state: State | None, before: str, limit: int) -> list[Proposal]:
        query = select(_table).where(_table.c.project_id == self._project)
        if state is not None:
            query = query.where(_table.c.state == int(state))
        if before:
            query = query.where(_table.c.proposal_id < before)
        rows = await self._session.execute(query.order_by(_table.c.proposal_id.desc()).limit(limit))
        return [_proposal(row) for row in rows]


def _values(proposal: Proposal) -> dict[str, Any]:
    return {
        "proposal_id": proposal.proposal_id,
        "kind": int(proposal.operation.kind),
        "state": int(proposal.state),
        "body": json.dumps(body_of(proposal.operation), ensure_ascii=False),
        "reason": proposal.reason,
        "proposed_by": proposal.proposed_by,
        "proposed_ms": proposal.proposed_ms,
        "decided_by": proposal.decided_by,
        "decided_ms": proposal.decided_ms,
        "last_row": proposal.last_row,
        "policy_version": proposal.policy_version,
        "run_id": proposal.run_id,
    }


def _proposal(row: Any) -> Proposal:
    return Proposal(
        proposal_id=row.proposal_id,
        operation=Operation(Kind(row.kind), **json.loads(row.body)),
        state=State(row.state),
        reason=row.reason,
        proposed_by=row.proposed_by,
        proposed_ms=row.proposed_ms,
        decided_by=row.decided_by,
        decided_ms=row.decided_ms,
        last_row=row.last_row,
        policy_version=row.policy_version,
        run_id=row.run_id,
    )
