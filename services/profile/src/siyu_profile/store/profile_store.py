"""The profile database."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Row, Select, and_, bindparam, select

from siyu_kit.clock import Clock
from siyu_kit.sql.engine import Database
from siyu_kit.sql.outbox import Outbox
from siyu_kit.sql.upsert import table_of
from siyu_profile.app.ports import StoredProfile
from siyu_profile.store.people import members_of
from siyu_profile.store.tables import PersonMapRow, PersonRow, ProfileRow
from siyu_profile.store.unit import SqlProfileUnit

_m, _p, _d = table_of(PersonMapRow).c, table_of(PersonRow).c, table_of(ProfileRow).c


def _reading() -> Select[Any]:
    """Profiles by any number of a person: a person's number is that of one of its identifiers."""
    return (
        select(_m.ident_no, _m.person_no, _p.person_id, _d.version, _d.document)
        .select_from(
            table_of(PersonMapRow)
            .outerjoin(
                table_of(PersonRow),
                and_(_p.project_id == _m.project_id, _p.person_no == _m.person_no),
            )
            .outerjoin(
                table_of(ProfileRow),
                and_(_d.project_id == _m.project_id, _d.person_no == _m.person_no),
            )
        )
        .where(_m.project_id == bindparam("project_id"))
    )


#: Built once: the statement of every GetProfile.
_ONE = _reading().where(_m.ident_no == bindparam("ident_no"))
_MANY = _reading().where(_m.ident_no.in_(bindparam("ident_nos", expanding=True)))


class SqlProfileStore:
    """SQLite or PostgreSQL behind ``ports.ProfileStore``."""

    def __init__(self, database: Database, outbox: Outbox, clock: Clock) -> None:
        self._database = database
        self._outbox = outbox
        self._clock = clock

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SqlProfileUnit]:
        async with self._database.transaction() as session:
            yield SqlProfileUnit(session, self._outbox, self._clock)

    async def read_one(self, project_id: str, person_no: int) -> StoredProfile | None:
        async with self._database.session() as session:
            found = await session.execute(_ONE, {"project_id": project_id, "ident_no": person_no})
            row = found.first()
        return None if row is None else _stored(row)

    async def read(self, project_id: str, person_nos: Sequence[int]) -> list[StoredProfile | None]:
        values = {"project_id": project_id, "ident_nos": sorted(set(person_nos))}
        async with self._database.session() as session:
            rows = await session.execute(_MANY, values)
            by_number = {row.ident_no: _stored(row) for row in rows}
        return [by_number.get(person_no) for person_no in person_nos]

    async def members(
        self, project_id: str, person_nos: Sequence[int]
    ) -> Mapping[int, Sequence[int]]:
        found: dict[int, list[int]] = {number: [] for number in person_nos}
        async with self._database.session() as session:
            person_of = await members_of(session, project_id, found)
        for ident_no in sorted(person_of):
            found[person_of[ident_no]].append(ident_no)
        return found

    async def person_no(self, project_id: str, person_id: str) -> int | None:
        async with self._database.session() as session:
            found = await session.execute(
                select(_p.person_no).where(_p.project_id == project_id, _p.person_id == person_id)
            )
            number: int | None = found.scalar()
        return number


def _stored(row: Row[Any]) -> StoredProfile:
    return StoredProfile(row.person_no, row.person_id or "", row.version or 0, row.document or b"")
