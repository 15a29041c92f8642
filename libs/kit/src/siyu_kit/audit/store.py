"""Audit records in a service's own database: appended, listed, never changed."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit.audit.record import AuditEntry, AuditRecord, Head
from siyu_kit.sql.tables import AUDIT_HEAD, audit, audit_head


@dataclass(frozen=True)
class Asked:
    """Which records are wanted; an empty field asks for any."""

    project_id: str = ""
    actor: str = ""
    method: str = ""
    from_ms: int = 0
    to_ms: int = 0


async def append(session: AsyncSession, entry: AuditEntry) -> AuditRecord:
    """Chain an entry in the transaction of what it tells of.

    The head is locked until that ends, so this is the last thing a transaction does.
    """
    found = await session.execute(
        select(audit_head.c.number, audit_head.c.digest)
        .where(audit_head.c.id == AUDIT_HEAD)
        .with_for_update()
    )
    record = AuditRecord.after(Head(*found.one()), entry)
    await session.execute(insert(audit), [_to_row(record)])
    await session.execute(
        update(audit_head)
        .where(audit_head.c.id == AUDIT_HEAD)
        .values(number=record.number, digest=record.digest)
    )
    return record


async def head(session: AsyncSession) -> Head:
    """Where the chain ends."""
    found = await session.execute(select(audit_head.c.number, audit_head.c.digest))
    return Head(*found.one())


async def records_after(
    session: AsyncSession, number: int, limit: int, asked: Asked | None = None
) -> Sequence[AuditRecord]:
    """Records with higher numbers, lowest first."""
    query = select(audit).where(audit.c.number > number).order_by(audit.c.number).limit(limit)
    wanted = asked or Asked()
    for name in ("project_id", "actor", "method"):
        if value := getattr(wanted, name):
            query = query.where(audit.c[name] == value)
    if wanted.from_ms:
        query = query.where(audit.c.time_ms >= wanted.from_ms)
    if wanted.to_ms:
        query = query.where(audit.c.time_ms < wanted.to_ms)
    return [_from_row(row) for row in (await session.execute(query)).mappings()]


def _to_row(record: AuditRecord) -> dict[str, object]:
    values = asdict(record.entry)
    values["objects"] = json.dumps(values["objects"], ensure_ascii=False, sort_keys=True)
    return {
        "number": record.number,
        "previous": record.previous,
        "digest": record.digest,
        **values,
    }


def _from_row(row: RowMapping) -> AuditRecord:
    values: dict[str, Any] = {str(name): value for name, value in row.items()}
    number, previous, digest = (values.pop(name) for name in ("number", "previous", "digest"))
    values["objects"] = _objects(values["objects"])
    return AuditRecord(number, AuditEntry(**values), previous, digest)


def _objects(text: str) -> dict[str, str]:
    """What was altered into something that is no object is told by its digest, not by an error."""
    try:
        found = json.loads(text)
    except ValueError:
        return {"": text}
    return found if isinstance(found, dict) else {"": text}
