"""The graph in SQL: a handful of set-based statements, whatever the number of identifiers."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_identity.app.ports import Outcome
from siyu_identity.domain.evidence import Edge, Identifier
from siyu_identity.domain.ident import Flag, Ident, Place, alone
from siyu_identity.domain.kruskal import Pair
from siyu_identity.domain.policy import IdTypePolicy
from siyu_identity.store.evidence_ids import reserve
from siyu_identity.store.keys import ProjectKeys
from siyu_identity.store.policies import PolicyBook
from siyu_identity.store.saving import Saving, Sealing
from siyu_identity.store.sets import BLOBS_A_STATEMENT, among, among_bytes, among_pairs
from siyu_identity.store.tables import ApartRow, CounterRow, EvidenceRow, IdentRow
from siyu_kit.errors import Conflict
from siyu_kit.sql.dialect import Dialect, dialect_of
from siyu_kit.sql.upsert import table_of, upsert

LAST_IDENT_NO: Final = "ident_no"

_ident = table_of(IdentRow).c
_evidence = table_of(EvidenceRow).c
_counter = table_of(CounterRow).c
_apart = table_of(ApartRow).c

_COLUMNS: Final = (
    _ident.ident_no, _ident.type, _ident.person_key,
    _ident.component, _ident.person_no, _ident.quarantined, _ident.first_ms, _ident.flags,
)  # fmt: skip


class SqlGraph:
    """One project's graph inside the transaction of ``session``."""

    def __init__(
        self,
        session: AsyncSession,
        project_id: str,
        keys: ProjectKeys,
        saving: Saving,
        policies: PolicyBook,
    ) -> None:
        self.session = session
        self.project_id = project_id
        self.keys = keys
        self._saving = saving
        self._policies = policies
        self._settled: IdTypePolicy | None = None
        self._dialect = dialect_of(session)
        self._plain: dict[int, Identifier] = {}
        self._lookups: dict[Identifier, bytes] = {}
        self._locked: set[int] = set()

    async def find(self, identifiers: Iterable[Identifier]) -> dict[Identifier, Ident]:
        by_lookup = {self._lookup(item): item for item in identifiers}
        lookups, found = list(by_lookup), dict[Identifier, Ident]()
        for start in range(0, len(lookups), BLOBS_A_STATEMENT):
            wanted = lookups[start : start + BLOBS_A_STATEMENT]
            rows = await self.session.execute(
                select(*_COLUMNS, _ident.lookup).where(
                    _ident.project_id == self.project_id,
                    among_bytes(self._dialect, _ident.lookup, wanted),
                )
            )
            found |= {by_lookup[row.lookup]: _as_ident(row) for row in rows}
        return found

    async def admit(self, identifiers: Iterable[Identifier]) -> dict[Identifier, Ident]:
        wanted = sorted(set(identifiers))
        last = await self.lock_numbers()
        policy = self._settled = await self.policy()
        idents = await self.find(wanted)
        missing = [item for item in wanted if item not in idents]
        for no, item in enumerate(missing, last + 1):
            key = self.keys.person_key(item)
            blocked = policy.is_blocked(item.type, item.value)
            place = alone(no, quarantined=blocked)
            flags = Flag.BLOCKED if blocked else Flag.NONE
            idents[item] = Ident(no, item.type, key, place, new=True, flags=flags)
            self._plain[no] = item
        if missing:
            await self.session.execute(
                update(CounterRow)
                .where(_counter.project_id == self.project_id, _counter.name == LAST_IDENT_NO)
                .values(value=last + len(missing))
            )
        return idents

    async def reserve(self, named: Sequence[tuple[str, AbstractSet[Identifier]]]) -> set[int]:
        said = [
            (self.keys.evidence_lookup(name), self.keys.said(map(self._lookup, identifiers)))
            for name, identifiers in named
        ]
        return await reserve(self.session, self.project_id, said)

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

    async def degrees(self, numbers: Iterable[int]) -> dict[int, int]:
        wanted = list(numbers)
        degrees: Counter[int] = Counter()
        for end in (_evidence.left_no, _evidence.right_no) if wanted else ():
            rows = await self.session.execute(
                select(end, func.count())
                .where(
                    _evidence.project_id == self.project_id,
                    among(self._dialect, end, wanted),
                    _evidence.linked_ms > _evidence.unlinked_ms,
                )
                .group_by(end)
            )
            for no, count in rows:
                degrees[no] += count
        return dict(degrees)

    async def policy(self) -> IdTypePolicy:
        # Who holds the lock on the numbers knows that it does not change.
        return self._settled or await self._policies.active(self.session, self.project_id)

    async def apart(self, numbers: Iterable[int]) -> set[Pair]:
        wanted = list(numbers)
        found: set[Pair] = set()
        for end in (_apart.left_no, _apart.right_no):
            rows = await self.session.execute(
                select(_apart.left_no, _apart.right_no).where(
                    _apart.project_id == self.project_id, among(self._dialect, end, wanted)
                )
            )
            found.update((left, right) for left, right in rows)
        return found

    async def numbered(self, numbers: Iterable[int]) -> dict[int, Ident]:
        wanted = list(numbers)
        return await self._idents_where(_ident.ident_no, wanted) if wanted else {}

    async def save(self, outcome: Outcome) -> list[int]:
        return await self._saving.save(
            self.session,
            self.project_id,
            Sealing(self.keys, await self.policy(), self._plain, self._lookups),
            outcome,
        )

    async def last_number(self) -> int:
        return await self.lock_numbers()

    async def members(self, components: Iterable[int]) -> dict[int, Ident]:
        wanted = list(components)
        return await self._idents_where(_ident.component, wanted) if wanted else {}

    async def named(self, numbers: Iterable[int]) -> dict[int, Identifier]:
        rows = await self.session.execute(
            select(_ident.ident_no, _ident.type, _ident.value).where(
                _ident.project_id == self.project_id,
                among(self._dialect, _ident.ident_no, list(numbers)),
            )
        )
        return {no: self.keys.open(no, kind, value) for no, kind, value in rows}

    def _lookup(self, identifier: Identifier) -> bytes:
        """Its blind index, made once a transaction."""
        lookup = self._lookups.get(identifier)
        if lookup is None:
            lookup = self._lookups[identifier] = self.keys.lookup(identifier)
        return lookup

    async def _lock(self, components: Sequence[int]) -> None:
        """A component's lock is the row of its namesake; everybody waits in ascending order.

        Out of order waiting could end in a deadlock, which takes the server a second to see: then
        only what is free is taken, and starting over takes milliseconds.
        """
        if not components:
            return
        in_order = not self._locked or components[0] > max(self._locked)
        rows = await self.session.execute(
            select(_ident.ident_no)
            .where(
                _ident.project_id == self.project_id,
                among(self._dialect, _ident.ident_no, components),
            )
            .order_by(_ident.ident_no)
            .with_for_update(skip_locked=not in_order)
        )
        if len(rows.all()) < len(components):
            raise Conflict("GRAPH_CONTENDED", "components moved while they were being locked")
        self._locked.update(components)

    async def lock_numbers(self) -> int:
        """The last number given; nobody gives one, or changes the policy, before the commit."""
        row = {"project_id": self.project_id, "name": LAST_IDENT_NO, "value": 0}
        await upsert(self.session, CounterRow, [row], key=["project_id", "name"])
        query = select(_counter.value).where(
            _counter.project_id == self.project_id, _counter.name == LAST_IDENT_NO
        )
        value: int = (await self.session.execute(query.with_for_update())).scalar_one()
        return value

    async def _idents_where(self, column: Any, numbers: Collection[int]) -> dict[int, Ident]:
        rows = await self.session.execute(
            select(*_COLUMNS).where(
                _ident.project_id == self.project_id, among(self._dialect, column, numbers)
            )
        )
        return {row.ident_no: _as_ident(row) for row in rows}

    async def _edges_where(self, condition: Any) -> dict[Pair, Edge]:
        rows = await self.session.execute(
            select(
                _evidence.left_no, _evidence.right_no, _evidence.strength,
                _evidence.first_ms, _evidence.linked_ms, _evidence.unlinked_ms,
            ).where(_evidence.project_id == self.project_id, condition)
        )  # fmt: skip
        return {(left, right): Edge(*said) for left, right, *said in rows}


def _as_ident(row: Any) -> Ident:
    no, kind, key, component, person_no, quarantined, first_ms, flags = row[:8]
    place = Place(component, person_no, quarantined, first_ms)
    return Ident(no, kind, key, place, flags=flags)
