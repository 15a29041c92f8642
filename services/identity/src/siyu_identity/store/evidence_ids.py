"""Evidence ids and what each stands for, as keyed digests: neither an id nor a value is kept."""

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_identity.store.sets import among_bytes
from siyu_identity.store.tables import EvidenceIdRow
from siyu_kit.sql.dialect import dialect_of
from siyu_kit.sql.upsert import table_of, upsert

_table = table_of(EvidenceIdRow).c
_KEY: Final = ("project_id", "lookup")


async def reserve(
    session: AsyncSession, project_id: str, named: Sequence[tuple[bytes, bytes]]
) -> set[int]:
    """The positions of those whose id stands for something else than the digest beside it.

    One statement when all are known, two when some are new, whatever their number. An id stands
    for what it was first used for, also among those given.
    """
    first: dict[bytes, bytes] = {}
    for lookup, said in named:
        first.setdefault(lookup, said)
    standing = await _standing(session, project_id, first)
    rows = [
        {"project_id": project_id, "lookup": lookup, "said": first[lookup]}
        # In one order everywhere, so that nobody waits for who waits for him.
        for lookup in sorted(first.keys() - standing.keys())
    ]
    kept = await upsert(session, EvidenceIdRow, rows, key=_KEY, returning=["lookup"])
    standing |= {lookup: first[lookup] for (lookup,) in kept}
    lost = first.keys() - standing.keys()
    if lost:
        # Somebody else was first, and has committed since.
        standing |= await _standing(session, project_id, lost)
    return {at for at, (lookup, said) in enumerate(named) if standing[lookup] != said}


async def _standing(
    session: AsyncSession, project_id: str, lookups: Collection[bytes]
) -> dict[bytes, bytes]:
    rows = await session.execute(
        select(_table.lookup, _table.said).where(
            _table.project_id == project_id,
            among_bytes(dialect_of(session), _table.lookup, lookups),
        )
    )
    return {row.lookup: row.said for row in rows}
