"""What does not link, read back from the graph."""

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import case, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_identity.app.conflicts import Quarantined, Refused
from siyu_identity.app.explain import Known
from siyu_identity.domain.evidence import Edge
from siyu_identity.domain.kruskal import Pair
from siyu_identity.domain.policy import IdTypePolicy, Limit
from siyu_identity.domain.verdict import BY_LIMIT, Judged
from siyu_identity.store.graphs import SqlGraphs
from siyu_identity.store.sets import among
from siyu_identity.store.tables import ConflictRow, EvidenceRow, IdentRow
from siyu_kit.sql.dialect import dialect_of
from siyu_kit.sql.upsert import table_of

_ident = table_of(IdentRow).c
_evidence = table_of(EvidenceRow).c
_conflict = table_of(ConflictRow).c
_BOTH_WAYS: Final = (
    (_evidence.left_no, _evidence.right_no),
    (_evidence.right_no, _evidence.left_no),
)


class SqlConflicts:
    """Answers from one snapshot each."""

    def __init__(self, graphs: SqlGraphs) -> None:
        self._graphs = graphs

    async def quarantined(self, project_id: str, after: int, limit: int) -> list[Quarantined]:
        async with self._graphs.snapshot(project_id) as graph:
            rows = await graph.session.execute(
                select(_ident.ident_no)
                .where(_ident.project_id == project_id, _ident.quarantined, _ident.ident_no > after)
                .order_by(_ident.ident_no)
                .limit(limit)
            )
            numbers = list(rows.scalars())
            counts = await _counts(graph.session, project_id, numbers, await graph.policy())
            idents, names = await graph.numbered(numbers), await graph.named(numbers)
        return [
            Quarantined(Known(idents[no], names[no]), *counts.get(no, (0, 0))) for no in numbers
        ]

    async def refused(self, project_id: str, after: Pair, limit: int) -> list[Refused]:
        pair = _conflict.left_no, _conflict.right_no
        async with self._graphs.snapshot(project_id) as graph:
            rows = await graph.session.execute(
                select(*pair, _conflict.reason, _conflict.detail)
                .where(_conflict.project_id == project_id, tuple_(*pair) > tuple_(*after))
                .order_by(*pair)
                .limit(limit)
            )
            found = {(row[0], row[1]): (Limit(row[2]), row[3]) for row in rows}
            edges = await graph.edges(found)
            numbers = {no for ends in found for no in ends}
            idents, names = await graph.numbered(numbers), await graph.named(numbers)
        return [
            Refused(
                _judged(ends, edges[ends], *reason),
                *(Known(idents[no], names[no]) for no in ends),
            )
            for ends, reason in found.items()
        ]


def _judged(pair: Pair, edge: Edge, limit: Limit, detail: str) -> Judged:
    return Judged(pair, edge, BY_LIMIT[limit], detail)


async def _counts(
    session: AsyncSession, project_id: str, numbers: Collection[int], policy: IdTypePolicy
) -> dict[int, tuple[int, int]]:
    """Live neighbours of each, and the owners among them."""
    owner_types = [name for name, rule in policy.types.items() if rule.owner]
    counts: dict[int, tuple[int, int]] = {}
    for own, other in _BOTH_WAYS:
        query: Any = (
            select(own, func.count(), func.sum(case((_ident.type.in_(owner_types), 1), else_=0)))
            .select_from(table_of(EvidenceRow))
            .join(
                table_of(IdentRow),
                (_ident.project_id == _evidence.project_id) & (_ident.ident_no == other),
            )
            .where(
                _evidence.project_id == project_id,
                among(dialect_of(session), own, numbers),
                _evidence.linked_ms > _evidence.unlinked_ms,
            )
            .group_by(own)
        )
        for number, neighbours, owners in await session.execute(query):
            earlier = counts.get(number, (0, 0))
            counts[number] = (earlier[0] + neighbours, earlier[1] + int(owners))
    return counts
