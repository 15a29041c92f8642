"""The graph in SQL: a handful of set-based statements, whatever the number of identifiers."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_identity.app.ports import Outcome
from siyu_identity.domain.evidence import Edge, Identifier
from siyu_identity.domain.ident import Ident, Place, alone
from siyu_identity.domain.resolver import Pair
from siyu_identity.store.keys import ProjectKeys
from siyu_identity.store.saving import Saving
from siyu_identity.store.sets import BLOBS_A_STATEMENT, among, among_bytes, among_pairs
from siyu_identity.store.tables import CounterRow, EvidenceRow, IdentRow
from siyu_kit.errors import Conflict
from siyu_kit.sql.dialect import Dialect, dialect_of
from siyu_kit.sql.request_keys import earlier_result, remember
from siyu_kit.sql.upsert import table_of, upsert

UNLINK: Final = "siyu.identity.v1.IdentityService/Unlink"
_KEPT_ROWS: Final = 5
LAST_IDENT_NO: Final = "ident_no"

_ident = table_of(IdentRow).c
_evidence = table_of(EvidenceRow).c
_counter = table_of(CounterRow).c

_COLUMNS: Final = (
    _ident.ident_no, _ident.type, _ident.person_key,
    _ident.component, _ident.person_no, _ident.quarantined, _ident.first_ms,
)  # fmt: skip


class SqlGraph:
    """One project's graph inside the transaction of ``session``."""

    def __init__(
        self, session: AsyncSession, project_id: str, keys: ProjectKeys, saving: Saving
    ) -> None:
        self._session = session
        self._project = project_id
        self._keys = keys
        self._saving = saving
        self._dialect = dialect_of(session)
        self._plain: dict[int, Identifier] = {}
        self._lookups: dict[Identifier, bytes] = {}
        self._locked: set[int] = set()

    async def find(self, identifiers: Iterable[Identifier]) -> dict[Identifier, Ident]:
        by_lookup = {self._lookup(item): item for item in identifiers}
        lookups, found = list(by_lookup), dict[Identifier, Ident]()
        for start in range(0, len(lookups), BLOBS_A_STATEMENT):
            wanted = lookups[start : start + BLOBS_A_STATEMENT]
            rows = await self._session.execute(
                select(*_COLUMNS, _ident.lookup).where(
                    _ident.project_id == self._project,
                    among_bytes(self._dialect, _ident.lookup, wanted),
                )
            )
            found |= {by_lookup[row.lookup]: _as_ident(row) for row in rows}
        return found

    async def admit(self, identifiers: Iterable[Identifier]) -> dict[Identifier, Ident]:
        wanted = sorted(set(identifiers))
        last = await self._lock_counter()
        idents = await self.find(wanted)
        missing = [item for item in wanted if item not in idents]
        for no, item in enumerate(missing, last + 1):
            key = self._keys.person_key(item)
            idents[item] = Ident(no, item.type, key, alone(no), new=True)
            self._plain[no] = item
        if missing:
            await self._session.execute(
                update(CounterRow)
                .where(_counter.project_id == self._project, _counter.name == LAST_IDENT_NO)
                .values(value=last + len(missing))
            )
        return idents

    async def edges(self, pairs: Iterable[Pair]) -> dict[Pair, Edge]:
        wanted = list(pairs)
        if not wanted:
            return {}
        pairs_match = among_pairs(self._dialect, _evidence.left_no, _evidence.right_no, wanted)
        return await self._edges_where(pairs_match)

    async def hold(self, components: Iterable[int]) -> dict[int, Ident]:
        wanted = sorted(set(components))
        if not wanted:
            return {}
        if self._dialect is not Dialect.SQLITE:
            await self._lock([no for no in wanted if no not in self._locked])
        return await self._idents_where(_ident.component, wanted)

    async def evidence_of(self, numbers: Iterable[int]) -> dict[Pair, Edge]:
        wanted = list(numbers)
        if not wanted:
            return {}
        left = among(self._dialect, _evidence.left_no, wanted)
        right = among(self._dialect, _evidence.right_no, wanted)
        # Two look-ups: an OR over both would keep neither index in use.
        return await self._edges_where(left) | await self._edges_where(right)

    async def numbered(self, numbers: Iterable[int]) -> dict[int, Ident]:
        wanted = list(numbers)
        return await self._idents_where(_ident.ident_no, wanted) if wanted else {}

    async def save(self, outcome: Outcome) -> list[int]:
        return await self._saving.save(
            self._session, self._project, self._keys, outcome, self._plain, self._lookups
        )

    async def earlier(self, request_id: str, content: bytes) -> list[int] | None:
        kept = await earlier_result(self._session, self._project, UNLINK, request_id, content)
        return None if kept is None else [int(no) for no in kept.split(",") if no]

    async def remember(self, request_id: str, content: bytes, rows: Sequence[int]) -> None:
        kept = ",".join(map(str, rows[-_KEPT_ROWS:]))
        await remember(
            self._session, self._project, UNLINK, request_id, content, kept,
            at_ms=self._saving.now_ms(),
        )  # fmt: skip

    def _lookup(self, identifier: Identifier) -> bytes:
        """Its blind index, made once a transaction."""
        lookup = self._lookups.get(identifier)
        if lookup is None:
            lookup = self._lookups[identifier] = self._keys.lookup(identifier)
        return lookup

    async def _lock(self, components: Sequence[int]) -> None:
        """A component's lock is the row of its namesake; everybody takes them in ascending order.

        Out of order it could end in a deadlock, which takes the server a second to see: starting
        over takes milliseconds.
        """
        if components and self._locked and components[0] < max(self._locked):
            raise Conflict("GRAPH_CONTENDED", "components moved while they were being locked")
        await self._session.execute(
            select(_ident.ident_no)
            .where(
                _ident.project_id == self._project,
                among(self._dialect, _ident.ident_no, components),
            )
            .order_by(_ident.ident_no)
            .with_for_update()
        )
        self._locked.update(components)

    async def _lock_counter(self) -> int:
        row = {"project_id": self._project, "name": LAST_IDENT_NO, "value": 0}
        await upsert(self._session, CounterRow, [row], key=["project_id", "name"])
        query = select(_counter.value).where(
            _counter.project_id == self._project, _counter.name == LAST_IDENT_NO
        )
        value: int = (await self._session.execute(query.with_for_update())).scalar_one()
        return value

    async def _idents_where(self, column: Any, numbers: Collection[int]) -> dict[int, Ident]:
        rows = await self._session.execute(
            select(*_COLUMNS).where(
                _ident.project_id == self._project, among(self._dialect, column, numbers)
            )
        )
        return {row.ident_no: _as_ident(row) for row in rows}

    async def _edges_where(self, condition: Any) -> dict[Pair, Edge]:
        rows = await self._session.execute(
            select(
                _evidence.left_no, _evidence.right_no, _evidence.strength,
                _evidence.first_ms, _evidence.linked_ms, _evidence.unlinked_ms,
            ).where(_evidence.project_id == self._project, condition)
        )  # fmt: skip
        return {(left, right): Edge(*said) for left, right, *said in rows}


def _as_ident(row: Any) -> Ident:
    no, kind, key, component, person_no, quarantined, first_ms = row[:7]
    return Ident(no, kind, key, Place(component, person_no, quarantined, first_ms))
