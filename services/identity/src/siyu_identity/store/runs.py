"""Runs in SQL."""

import json
from typing import Any, Final

from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_identity.domain.run import Run, RunKind, RunState
from siyu_identity.store.tables import RunRow
from siyu_kit.errors import NotFound
from siyu_kit.sql.request_keys import earlier_result, remember
from siyu_kit.sql.upsert import table_of

_METHOD: Final = "siyu.identity.v1.IdentityService/Run"
_table = table_of(RunRow)


class SqlRuns:
    """The runs of one project, in somebody's transaction."""

    def __init__(self, session: AsyncSession, project_id: str) -> None:
        self._session = session
        self._project = project_id

    async def start(self, run: Run, request_id: str, content: bytes) -> Run:
        earlier = await earlier_result(self._session, self._project, _METHOD, request_id, content)
        if earlier is not None:
            return await self.get(earlier)
        await self._session.execute(insert(_table), [{"project_id": self._project} | _values(run)])
        await remember(
            self._session, self._project, _METHOD, request_id, content, run.run_id,
            at_ms=run.started_ms,
        )  # fmt: skip
        return run

    async def get(self, run_id: str) -> Run:
        row = (await self._session.execute(select(_table).where(self._is(run_id)))).first()
        if row is None:
            raise NotFound("RUN_UNKNOWN", "there is no such run", run_id=run_id[:64])
        return run_of(row)

    async def put(self, run: Run) -> None:
        await self._session.execute(
            update(_table).where(self._is(run.run_id)).values(**_values(run))
        )

    def _is(self, run_id: str) -> ColumnElement[bool]:
        return (_table.c.project_id == self._project) & (_table.c.run_id == run_id)


async def oldest_running(session: AsyncSession) -> tuple[str, Run] | None:
    """The project and the run that is to be worked on; None when all are done."""
    rows = await session.execute(
        select(_table)
        .where(_table.c.state == int(RunState.RUNNING))
        .order_by(_table.c.run_id)
        .limit(1)
    )
    row = rows.first()
    return None if row is None else (row.project_id, run_of(row))


def run_of(row: Any) -> Run:
    """The run of a row."""
    return Run(
        run_id=row.run_id, kind=RunKind(row.kind), state=RunState(row.state),
        **json.loads(row.body),
    )  # fmt: skip


def _values(run: Run) -> dict[str, Any]:
    body = {
        "started_ms": run.started_ms,
        "updated_ms": run.updated_ms,
        "done": run.done,
        "total": run.total,
        "policy_version": run.policy_version,
        "policy": run.policy,
        "found": run.found,
        "error": run.error,
    }
    return {
        "run_id": run.run_id,
        "kind": int(run.kind),
        "state": int(run.state),
        "body": json.dumps(body, ensure_ascii=False),
    }
