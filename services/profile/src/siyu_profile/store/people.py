"""The map from identifier to person, as the identity feed tells it."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit.sql.upsert import table_of, upsert
from siyu_profile.app.ports import Move, Resolution
from siyu_profile.store.facts import chunked, idents_with_facts
from siyu_profile.store.tables import PersonMapRow, PersonRow


async def follow(session: AsyncSession, project_id: str, moves: Sequence[Move]) -> set[int]:
    """Move identifiers; the persons, old and new, of those for which anything was stated."""
    last = {move.ident_no: move for move in moves}
    before = await persons_by_ident(session, project_id, sorted(last))
    await _map(session, project_id, {n: move.person_no for n, move in last.items()}, replace=True)
    await _name(session, project_id, {move.person_no: move.person_id for move in last.values()})
    moved = [n for n, move in last.items() if before.get(n) != move.person_no]
    stated = await idents_with_facts(session, project_id, moved)
    return {last[n].person_no for n in stated} | {before[n] for n in stated if n in before}


async def present_persons(
    session: AsyncSession, project_id: str, resolved: Sequence[Resolution]
) -> set[int]:
    """Persons of identifiers: as the feed says, and as identity answered where it is behind."""
    known = await persons_by_ident(session, project_id, [found.ident_no for found in resolved])
    ahead = [found for found in resolved if found.ident_no not in known]
    if ahead:
        told = {found.ident_no: found.person_no for found in ahead}
        anchors = {found.person_no: found.person_no for found in ahead}
        await _map(session, project_id, {**anchors, **told}, replace=False)
        await _name(session, project_id, {found.person_no: found.person_id for found in ahead})
    return {known.get(found.ident_no, found.person_no) for found in resolved}


async def persons_by_ident(
    session: AsyncSession, project_id: str, idents: Sequence[int]
) -> dict[int, int]:
    """The person of each identifier that the map knows."""
    c = table_of(PersonMapRow).c
    found: dict[int, int] = {}
    for part in chunked(session, idents):
        rows = await session.execute(
            select(c.ident_no, c.person_no).where(c.project_id == project_id, c.ident_no.in_(part))
        )
        found.update((ident_no, person_no) for ident_no, person_no in rows)
    return found


async def members_of(
    session: AsyncSession, project_id: str, person_nos: Iterable[int]
) -> dict[int, int]:
    """All identifiers of these persons, each with its person."""
    c = table_of(PersonMapRow).c
    found: dict[int, int] = {}
    for part in chunked(session, sorted(person_nos)):
        rows = await session.execute(
            select(c.ident_no, c.person_no).where(c.project_id == project_id, c.person_no.in_(part))
        )
        found.update((ident_no, person_no) for ident_no, person_no in rows)
    return found


async def _map(
    session: AsyncSession, project_id: str, person_of: Mapping[int, int], *, replace: bool
) -> None:
    rows = [
        {"project_id": project_id, "ident_no": ident_no, "person_no": person_of[ident_no]}
        for ident_no in sorted(person_of)
    ]
    update = ["person_no"] if replace else []
    await upsert(session, PersonMapRow, rows, key=["project_id", "ident_no"], update=update)


async def _name(session: AsyncSession, project_id: str, names: Mapping[int, str]) -> None:
    rows = [
        {"project_id": project_id, "person_no": person_no, "person_id": names[person_no]}
        for person_no in sorted(names)
    ]
    await upsert(session, PersonRow, rows, key=["project_id", "person_no"])
