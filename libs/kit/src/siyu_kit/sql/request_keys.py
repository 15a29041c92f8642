"""Request ids: a repeated request gives its first answer, in the transaction that acts on it."""

from typing import Final

from sqlalchemy import BigInteger, Column, LargeBinary, String, Table, select
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit.crypto import sm3
from siyu_kit.errors import AlreadyExists, InvalidInput
from siyu_kit.sql.tables import kit_metadata
from siyu_kit.sql.upsert import upsert

MAX_BYTES: Final = 100

request_key: Final = Table(
    "kit_request_key",
    kit_metadata,
    Column("project_id", String(100), primary_key=True),
    Column("method", String(100), primary_key=True),
    Column("request_id", String(100), primary_key=True),
    # SM3 of what was asked: the same id with other content is a mistake of the caller.
    Column("digest", LargeBinary, nullable=False),
    # What the answer is made from again, such as the id of the thing created.
    Column("result", String(200), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)


async def earlier_result(
    session: AsyncSession, project_id: str, method: str, request_id: str, content: bytes
) -> str | None:
    """What an earlier request with this id led to, None for a new one.

    Raises ``InvalidInput`` for an id that is empty or too long and ``AlreadyExists`` when the id
    was used with other content.
    """
    if not 0 < len(request_id.encode()) <= MAX_BYTES:
        raise InvalidInput(
            "FIELD_INVALID", f"request_id must have 1 to {MAX_BYTES} bytes", field="request_id"
        )
    c = request_key.c
    found = await session.execute(
        select(c.digest, c.result).where(
            c.project_id == project_id, c.method == method, c.request_id == request_id
        )
    )
    row = found.first()
    if row is None:
        return None
    if row.digest != sm3(content):
        raise AlreadyExists(
            "REQUEST_ID_REUSED", "the request_id was used with other content", request_id=request_id
        )
    result: str = row.result
    return result


async def remember(
    session: AsyncSession,
    project_id: str,
    method: str,
    request_id: str,
    content: bytes,
    result: str,
    *,
    at_ms: int,
) -> bool:
    """Keep what a request led to; False when another one with this id was kept first."""
    row = {
        "project_id": project_id,
        "method": method,
        "request_id": request_id,
        "digest": sm3(content),
        "result": result,
        "created_ms": at_ms,
    }
    rows = await upsert(
        session,
        request_key,
        [row],
        key=["project_id", "method", "request_id"],
        returning=["request_id"],
    )
    return bool(rows)
