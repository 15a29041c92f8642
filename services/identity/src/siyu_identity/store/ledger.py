"""What is laid down by hand, in SQL."""

import secrets
from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import delete, or_, select, update

from siyu_identity.domain.evidence import UNSEEN
from siyu_identity.domain.ident import Flag
from siyu_identity.domain.kruskal import Pair
from siyu_identity.domain.policy import IdTypePolicy
from siyu_identity.store.graph import SqlGraph
from siyu_identity.store.policies import PolicyBook
from siyu_identity.store.sets import among
from siyu_identity.store.survey import blocked_among, hidden_lookups
from siyu_identity.store.tables import (
    ApartRow,
    ConflictRow,
    EvidenceRow,
    IdentRow,
    PlacementRow,
    ReviewRow,
)
from siyu_kit.sql.dialect import dialect_of
from siyu_kit.sql.upsert import table_of, upsert

_PAIR: Final = ("project_id", "left_no", "right_no")
_ident = table_of(IdentRow)
_apart = table_of(ApartRow)
_placement = table_of(PlacementRow)
_PAIRED: Final = tuple(table_of(row) for row in (EvidenceRow, ConflictRow, ApartRow, ReviewRow))


class SqlLedger:
    """Writes beside a graph, in its transaction."""

    def __init__(self, graph: SqlGraph, policies: PolicyBook, now_ms: int) -> None:
        self._graph = graph
        self._session = graph.session
        self._project = graph.project_id
        self._policies = policies
        self._now_ms = now_ms

    async def part(self, pairs: Iterable[Pair]) -> None:
        fences = sorted(set(pairs))
        rows = [
            {
                "project_id": self._project, "left_no": left, "right_no": right,
                "created_ms": self._now_ms,
            }
            for left, right in fences
        ]  # fmt: skip
        await upsert(self._session, ApartRow, rows, key=_PAIR)
        for number in sorted({no for pair in fences for no in pair}):
            await self.flag(number, add=Flag.APART)

    async def unpart(self, pair: Pair) -> bool:
        c = _apart.c
        gone = await self._session.execute(
            delete(_apart)
            .where(c.project_id == self._project, c.left_no == pair[0], c.right_no == pair[1])
            .returning(c.left_no)
        )
        found = gone.first() is not None
        for number in pair:
            still = await self._session.execute(
                select(c.left_no)
                .where(c.project_id == self._project)
                .where(or_(c.left_no == number, c.right_no == number))
                .limit(1)
            )
            if still.first() is None:
                await self.flag(number, remove=Flag.APART)
        return found

    async def flag(self, number: int, add: Flag = Flag.NONE, remove: Flag = Flag.NONE) -> None:
        (ident,) = (await self._graph.numbered([number])).values()
        await self._set(number, {"flags": int((Flag(ident.flags) | add) & ~remove)})

    async def blank(self, number: int) -> bytes:
        key = secrets.token_bytes(16)
        await self._set(number, {"value": b"", "person_key": key})
        return key

    async def forget(self, number: int) -> None:
        for table in _PAIRED:
            c = table.c
            await self._session.execute(
                delete(table)
                .where(c.project_id == self._project)
                .where(or_(c.left_no == number, c.right_no == number))
            )
        await self._session.execute(
            delete(_placement).where(
                _placement.c.project_id == self._project, _placement.c.ident_no == number
            )
        )
        await self._set(number, {"quarantined": True, "first_ms": UNSEEN})

    async def block(self, numbers: Iterable[int], policy: IdTypePolicy) -> None:
        c, keys = _ident.c, self._graph.keys
        rows = await self._session.execute(
            select(c.ident_no, c.type, c.value, c.lookup, c.flags).where(
                c.project_id == self._project,
                among(dialect_of(self._session), c.ident_no, list(numbers)),
            )
        )
        found = rows.all()
        hidden = hidden_lookups(keys, policy)
        blocked = set(blocked_among((row[:4] for row in found), keys, policy, hidden))
        for number, *_, flags in found:
            is_blocked = bool(flags & Flag.BLOCKED)
            if is_blocked == (number in blocked) or flags & Flag.ERASED:
                continue
            if is_blocked:
                await self.flag(number, remove=Flag.BLOCKED)
            else:
                await self.flag(number, add=Flag.BLOCKED)

    async def hold_policy(self) -> int:
        # Who gives numbers, and so who judges new identifiers, waits for this commit.
        await self._graph.lock_numbers()
        return (await self._policies.active(self._session, self._project)).version

    async def activate(self, policy: IdTypePolicy) -> int:
        await self._graph.lock_numbers()
        version = await self._policies.add(self._session, self._project, policy, self._now_ms)
        await self._policies.activate(self._session, self._project, version)
        return version

    async def _set(self, number: int, values: dict[str, Any]) -> None:
        await self._session.execute(
            update(_ident)
            .where(_ident.c.project_id == self._project, _ident.c.ident_no == number)
            .values(**values)
        )
