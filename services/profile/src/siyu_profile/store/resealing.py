"""Seals addresses anew under the current data key; see ``siyu_kit.sql.data_keys``.

An address lies in its contact point and in the folded document of the person. The document takes
the contact point's own ciphertext, so that folding it again finds no difference.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit.sql.data_keys import Cursor, Reseal
from siyu_kit.sql.upsert import table_of
from siyu_profile.messages import sealed_addresses, with_sealed
from siyu_profile.store.facts import chunked
from siyu_profile.store.seal import AddressSeal
from siyu_profile.store.tables import ContactPointRow, ProfileRow

_point, _profile = table_of(ContactPointRow).c, table_of(ProfileRow).c
_PUT_POINT = (
    update(table_of(ContactPointRow))
    .where(
        _point.project_id == bindparam("of_project"),
        _point.contact_point_id == bindparam("of_point"),
        _point.sealed_address == bindparam("was"),
    )
    .values(sealed_address=bindparam("fresh"))
)
_PUT_DOCUMENT = (
    update(table_of(ProfileRow))
    .where(
        _profile.project_id == bindparam("of_project"),
        _profile.person_no == bindparam("of_person"),
        _profile.document == bindparam("was"),
    )
    .values(document=bindparam("fresh"))
)


def reseal_contact_points(seal: AddressSeal) -> Reseal:
    """The sweep over all contact points."""

    async def reseal(
        session: AsyncSession, after: Cursor | None, limit: int
    ) -> tuple[Cursor | None, int]:
        columns = (_point.project_id, _point.contact_point_id)
        rows = await _page(session, columns, _point.sealed_address, after, limit)
        changes = []
        for project, point, was in rows:
            fresh = seal.sealed_anew(project, point, was) if was else None
            if fresh is not None:
                changes.append(
                    {"of_project": project, "of_point": point, "was": was, "fresh": fresh}
                )
        await _put(session, _PUT_POINT, changes)
        return _next(rows, limit), len(changes)

    return reseal


def reseal_documents(seal: AddressSeal) -> Reseal:
    """The sweep over all documents; it comes after that over the contact points."""

    async def reseal(
        session: AsyncSession, after: Cursor | None, limit: int
    ) -> tuple[Cursor | None, int]:
        columns = (_profile.project_id, _profile.person_no)
        rows = await _page(session, columns, _profile.document, after, limit)
        old: dict[tuple[str, int], dict[str, bytes]] = {}
        for project, person, document in rows:
            sealed = sealed_addresses(document)
            stale = {
                point: text
                for point, text in sealed.items()
                if seal.sealed_anew(project, point, text) is not None
            }
            if stale:
                old[project, person] = stale
        own = await _own(session, [(project, p) for (project, _), ps in old.items() for p in ps])
        changes = []
        for project, person, was in rows:
            fresh = {
                point: _fresh(seal, project, point, text, own[project])
                for point, text in old.get((project, person), {}).items()
            }
            if fresh:
                changes.append(
                    {
                        "of_project": project,
                        "of_person": person,
                        "was": was,
                        "fresh": with_sealed(was, fresh),
                    }
                )
        await _put(session, _PUT_DOCUMENT, changes)
        return _next(rows, limit), len(changes)

    return reseal


def _fresh(
    seal: AddressSeal, project: str, point: str, sealed: bytes, own: dict[str, bytes]
) -> bytes:
    """The contact point's own ciphertext, if it is of the same address, or one of its own."""
    address = seal.open(project, point, sealed)
    of_row = own.get(point)
    if of_row is not None and seal.open(project, point, of_row) == address:
        return of_row
    return seal.seal(project, point, address)


async def _own(
    session: AsyncSession, points: Sequence[tuple[str, str]]
) -> dict[str, dict[str, bytes]]:
    found: dict[str, dict[str, bytes]] = defaultdict(dict)
    by_project: dict[str, list[str]] = defaultdict(list)
    for project, point in points:
        by_project[project].append(point)
    for project, wanted in by_project.items():
        for part in chunked(session, wanted):
            rows = await session.execute(
                select(_point.contact_point_id, _point.sealed_address).where(
                    _point.project_id == project, _point.contact_point_id.in_(part)
                )
            )
            found[project].update((point, sealed) for point, sealed in rows if sealed)
    return found


async def _page(
    session: AsyncSession, key: tuple[Any, Any], value: Any, after: Cursor | None, limit: int
) -> Sequence[Any]:
    query = select(*key, value)
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*after))
    return (await session.execute(query.order_by(*key).limit(limit))).all()


async def _put(session: AsyncSession, statement: Any, changes: list[dict[str, Any]]) -> None:
    if changes:
        connection = await session.connection()
        await connection.execute(statement, changes)


def _next(rows: Sequence[Any], limit: int) -> Cursor | None:
    return (rows[-1][0], rows[-1][1]) if len(rows) == limit else None
