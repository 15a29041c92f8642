"""Writes the audit log: in the transaction of what was done, else before it is answered.

A call that changes something is recorded by the transaction that changes it: both are there, or
none. A call that only shows something is recorded before the answer leaves, and is not answered
when that fails. What failed is recorded with its code. Calls that are refused at the gate (no valid
token, no permission, another project, overload) reach no store; the process's own log has them.
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit.audit import store
from siyu_kit.audit.draft import Draft
from siyu_kit.audit.record import AuditEntry
from siyu_kit.clock import Clock, SystemClock
from siyu_kit.errors import DependencyDown
from siyu_kit.log import get_logger
from siyu_kit.scope import Scope, current_scope
from siyu_kit.sql.engine import Database

logger = get_logger(__name__)

OK: Final = "OK"
HEAD_EVERY_S: Final = 3600.0


class AuditTrail:
    """The audit log of a service, over its own database."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()
        database.witness = self

    def open(self, scope: Scope, ids: Mapping[str, str]) -> None:
        """Begin the record of the call of this scope."""
        scope.audit = Draft(ids)

    async def before_commit(self, session: AsyncSession) -> bool:
        """Record the call being served in its first transaction; whether this was it."""
        scope = current_scope()
        draft = scope.audit if scope is not None else None
        if scope is None or draft is None or draft.recorded or draft.closed:
            return False
        await session.flush()  # the chain's head is locked last, and waits for nothing
        await store.append(session, self._entry(scope, draft, OK, ""))
        return True

    def after_commit(self) -> None:
        """It is there."""
        scope = current_scope()
        if scope is not None and scope.audit is not None:
            scope.audit.recorded = True

    async def succeeded(self, scope: Scope) -> None:
        """Record what no transaction did; raises when that cannot be done: no answer then."""
        draft = scope.audit
        if draft is None or draft.closed:
            return
        if not draft.recorded:
            async with self._database.transaction():
                pass  # the witness records it
        draft.closed = True

    async def failed(self, scope: Scope, outcome: str, reason: str) -> None:
        """Record a failure; what cannot be recorded is logged, for the call has failed already."""
        draft = scope.audit
        if draft is None or draft.closed:
            return
        draft.closed = True
        try:
            async with self._database.transaction() as session:
                await store.append(session, self._entry(scope, draft, outcome, reason))
        except Exception:  # the call's own error is the one to tell
            logger.exception("audit_not_written", outcome=outcome)

    async def tell_head(self) -> None:
        """Write the chain's end into the log, for ever: what is collected elsewhere anchors it."""
        while True:
            try:
                async with self._database.session() as session:
                    head = await store.head(session)
                logger.info("audit_head", number=head.number, digest=head.digest)
            except DependencyDown as error:
                logger.warning("audit_head_unknown", reason=error.reason)
            await self._clock.sleep(HEAD_EVERY_S)

    def _entry(self, scope: Scope, draft: Draft, outcome: str, reason: str) -> AuditEntry:
        return AuditEntry(
            time_ms=self._clock.now_ms(),
            actor=scope.caller.subject if scope.caller else "",
            method=scope.method,
            project_id=scope.project,
            request_id=draft.request_id,
            trace_id=f"{scope.trace_id:032x}",
            outcome=outcome,
            reason=reason,
            objects=draft.objects,
        )
