"""Seals identifiers anew under the current data key; see ``siyu_kit.sql.data_keys``."""

from typing import Any

from sqlalchemy import bindparam, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_identity.store.keys import KeyRing
from siyu_identity.store.tables import IdentRow
from siyu_kit.sql.data_keys import Cursor, Reseal
from siyu_kit.sql.upsert import table_of

_ident = table_of(IdentRow).c
_PUT = (
    update(table_of(IdentRow))
    .where(
        _ident.project_id == bindparam("of_project"),
        _ident.ident_no == bindparam("of_ident"),
        # Erased meanwhile: it stays erased.
        _ident.value == bindparam("was"),
    )
    .values(value=bindparam("fresh"))
)


def reseal_identifiers(keys: KeyRing) -> Reseal:
    """The sweep over all identifiers, project by project."""

    async def reseal(
        session: AsyncSession, after: Cursor | None, limit: int
    ) -> tuple[Cursor | None, int]:
        rows = (await session.execute(_page(after, limit))).all()
        changes: list[dict[str, Any]] = []
        for project, number, kind, value in rows:
            fresh = keys.of(project).sealed_anew(number, kind, value)
            if fresh is not None:
                changes.append(
                    {"of_project": project, "of_ident": number, "was": value, "fresh": fresh}
                )
        if changes:
            connection = await session.connection()
            await connection.execute(_PUT, changes)
        return (rows[-1][0], rows[-1][1]) if len(rows) == limit else None, len(changes)

    return reseal


def _page(after: Cursor | None, limit: int) -> Any:
    place = tuple_(_ident.project_id, _ident.ident_no)
    query = select(_ident.project_id, _ident.ident_no, _ident.type, _ident.value)
    if after is not None:
        query = query.where(place > tuple_(*after))
    return query.order_by(_ident.project_id, _ident.ident_no).limit(limit)
