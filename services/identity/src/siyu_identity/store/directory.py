"""Who is who, read from what is committed."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from siyu_identity.app.ports import Member, Standing
from siyu_identity.domain.evidence import UNSEEN, Identifier
from siyu_identity.domain.ident import Ident, Place
from siyu_identity.store.keys import KeyRing
from siyu_identity.store.numbers import NumberCache
from siyu_identity.store.sets import BLOBS_A_STATEMENT, among, among_bytes
from siyu_identity.store.tables import IdentRow
from siyu_kit.sql.engine import Database
from siyu_kit.sql.upsert import table_of

_ident = table_of(IdentRow).c
_anchor = table_of(IdentRow).alias("anchor").c


class SqlDirectory:
    """Answers from one snapshot each; numbers of identifiers never change, so they are cached."""

    def __init__(self, database: Database, keys: KeyRing, numbers: NumberCache) -> None:
        self._database = database
        self._keys = keys
        self._numbers = numbers

    async def standings(
        self, project_id: str, identifiers: Sequence[Identifier]
    ) -> list[Standing | None]:
        numbers = self._numbers.of(project_id)
        found = [numbers.get(item) for item in identifiers]
        unknown = {item for item, no in zip(identifiers, found, strict=True) if no is None}
        async with self._database.session() as session:
            if unknown:
                fresh = await self._look_up(session, project_id, unknown)
                numbers.update(fresh)
                found = [no or fresh.get(item) for item, no in zip(identifiers, found, strict=True)]
            standing = await self._stand(session, project_id, {no for no in found if no})
        return [standing[no] if no else None for no in found]

    async def person_of_key(self, project_id: str, key: bytes) -> int | None:
        return await self._person_where(project_id, _ident.person_key == key)

    async def person_of_number(self, project_id: str, number: int) -> int | None:
        return await self._person_where(project_id, _ident.ident_no == number)

    async def members(self, project_id: str, person_no: int) -> list[Member]:
        component = (
            select(_ident.component)
            .where(_ident.project_id == project_id, _ident.ident_no == person_no)
            .scalar_subquery()
        )
        keys = self._keys.of(project_id)
        async with self._database.session() as session:
            rows = await session.execute(
                select(
                    _ident.ident_no, _ident.type, _ident.person_key, _ident.value,
                    _ident.created_ms, _ident.first_ms, _ident.component, _ident.quarantined,
                ).where(
                    _ident.project_id == project_id,
                    _ident.component == component,
                    _ident.person_no == person_no,
                )
            )  # fmt: skip
            return [
                Member(
                    keys.open(row.ident_no, row.type, row.value),
                    Ident(
                        row.ident_no,
                        row.type,
                        row.person_key,
                        Place(row.component, person_no, row.quarantined, row.first_ms),
                    ),
                    row.created_ms if row.first_ms == UNSEEN else row.first_ms,
                )
                for row in rows
            ]

    async def _look_up(
        self, session: Any, project_id: str, identifiers: set[Identifier]
    ) -> dict[Identifier, int]:
        keys = self._keys.of(project_id)
        by_lookup = {keys.lookup(item): item for item in identifiers}
        lookups, fresh = list(by_lookup), dict[Identifier, int]()
        for start in range(0, len(lookups), BLOBS_A_STATEMENT):
            wanted = lookups[start : start + BLOBS_A_STATEMENT]
            rows = await session.execute(
                select(_ident.lookup, _ident.ident_no).where(
                    _ident.project_id == project_id,
                    among_bytes(self._database.dialect, _ident.lookup, wanted),
                )
            )
            fresh |= {by_lookup[lookup]: no for lookup, no in rows}
        return fresh

    async def _stand(self, session: Any, project_id: str, numbers: set[int]) -> dict[int, Standing]:
        if not numbers:
            return {}
        rows = await session.execute(
            select(_ident.ident_no, _ident.person_no, _anchor.person_key).where(
                _ident.project_id == project_id,
                among(self._database.dialect, _ident.ident_no, numbers),
                _anchor.project_id == project_id,
                _anchor.ident_no == _ident.person_no,
            )
        )
        return {row[0]: Standing(*row) for row in rows}

    async def _person_where(self, project_id: str, condition: Any) -> int | None:
        async with self._database.session() as session:
            rows = await session.execute(
                select(_ident.person_no).where(_ident.project_id == project_id, condition)
            )
            return rows.scalar_one_or_none()
