"""The audit log by RPC: reading it, and checking its chain."""

from typing import Any, Final

from siyu.ops.v1 import ops_service_pb2 as pb
from siyu_kit.audit import store
from siyu_kit.audit.record import AuditRecord, Head
from siyu_kit.audit.store import Asked
from siyu_kit.audit.verify import Checker, FaultKind
from siyu_kit.crypto.chain import GENESIS
from siyu_kit.errors import InvalidInput
from siyu_kit.ops.checks import check_all
from siyu_kit.projects import ALL_PROJECTS
from siyu_kit.rpc.paging import PageTokens, page_size, request_digest
from siyu_kit.sql.engine import Database

MAX_ANCHORS: Final = 1_000
MAX_CHECKED: Final = 200_000
"""Records that one call checks, a few seconds' worth."""
_PAGE: Final = 2_000
_MAX_NUMBER: Final = 2**63 - 1

_KINDS: Final = {
    FaultKind.ALTERED: pb.AUDIT_FAULT_KIND_ALTERED,
    FaultKind.MISSING: pb.AUDIT_FAULT_KIND_MISSING,
    FaultKind.MOVED: pb.AUDIT_FAULT_KIND_MOVED,
    FaultKind.CUT: pb.AUDIT_FAULT_KIND_CUT,
    FaultKind.ANCHOR: pb.AUDIT_FAULT_KIND_ANCHOR,
}


class AuditMethods:
    """The audit part of OpsService, over a service's own database."""

    def __init__(self, database: Database, pages: PageTokens) -> None:
        self._database = database
        self._pages = pages

    async def ListAudit(self, request: pb.ListAuditRequest, context: Any) -> pb.ListAuditResponse:
        digest, size = request_digest(request), page_size(request.page_size)
        after = int(self._pages.decode(request.page_token, digest) or 0)
        asked = Asked(
            project_id="" if request.project_id == ALL_PROJECTS else request.project_id,
            actor=request.actor,
            method=request.method,
            from_ms=request.from_time_ms,
            to_ms=request.to_time_ms,
        )
        async with self._database.session() as session:
            records = await store.records_after(session, after, size + 1, asked)
        more = len(records) > size
        return pb.ListAuditResponse(
            records=[_message(record) for record in records[:size]],
            next_page_token=self._pages.encode(str(records[size - 1].number), digest)
            if more
            else "",
        )

    async def VerifyAudit(
        self, request: pb.VerifyAuditRequest, context: Any
    ) -> pb.VerifyAuditResponse:
        check_all(request.project_id)
        if len(request.anchors) > MAX_ANCHORS:
            raise InvalidInput("FIELD_INVALID", f"at most {MAX_ANCHORS} at once", field="anchors")
        after = min(request.after_number, _MAX_NUMBER)
        anchors = [Head(min(a.number, _MAX_NUMBER), a.digest) for a in request.anchors if a.number]
        # One snapshot: what is appended meanwhile is no fault.
        async with self._database.session() as session:
            end = await store.head(session)
            before = await store.records_after(session, after - 1, 1) if after else []
            start = Head(after, GENESIS)
            if before and before[0].number == after:
                start = Head(after, before[0].digest)
            checker = Checker(start, [a for a in anchors if a.number > after])
            checked = 0
            while checked < MAX_CHECKED:
                page = await store.records_after(session, checker.last.number, _PAGE)
                checker.feed(page)
                checked += len(page)
                if len(page) < _PAGE:
                    break
        more = checked >= MAX_CHECKED and checker.last.number < end.number
        reached = checker.last
        faults = checker.faults(None if more else end)
        return pb.VerifyAuditResponse(
            checked=checked,
            faults=[
                pb.AuditFault(kind=_KINDS[fault.kind], number=fault.number) for fault in faults
            ],
            head=pb.AuditHead(number=reached.number, digest=reached.digest),
            next_after_number=reached.number if more else 0,
        )


def _message(record: AuditRecord) -> pb.AuditRecord:
    entry = record.entry
    return pb.AuditRecord(
        number=record.number,
        time_ms=entry.time_ms,
        actor=entry.actor,
        method=entry.method,
        project_id=entry.project_id,
        objects=[pb.AuditObject(field=f, id=i) for f, i in sorted(entry.objects.items())],
        request_id=entry.request_id,
        trace_id=entry.trace_id,
        outcome=entry.outcome,
        reason=entry.reason,
        digest=record.digest,
    )
