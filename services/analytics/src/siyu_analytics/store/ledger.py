"""The account's part in the service's own database."""

from collections.abc import Mapping

from sqlalchemy import ColumnElement, func, literal, select

from siyu_analytics.app.reconciliation import Books, Settled
from siyu_analytics.app.sink_ports import StoredCount
from siyu_analytics.store.sink_plans import READER
from siyu_analytics.store.tables import LedgerRow, ProjectEventsRow, SettledRow
from siyu_kit.sql.engine import Database
from siyu_kit.sql.tables import position
from siyu_kit.sql.upsert import Merge, table_of, upsert
from siyu_kit.stream.ledger import counters
from siyu_kit.stream.topics import EVENTS

_ledger = table_of(LedgerRow)
_events = table_of(ProjectEventsRow)
_settled = table_of(SettledRow)


class SqlLedger:
    """``LedgerStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._merged: dict[str, int] = {}

    async def books(self) -> Books:
        # One statement is one snapshot on every database; positions and counts must be of one.
        mine = (position.c.reader == READER) & (position.c.topic == EVENTS.name)
        at = select(
            position.c.position.label("name"), position.c.partition.label("a"),
            *(_zero(name) for name in ("b", "c", "d")),
        ).where(mine)  # fmt: skip
        done = select(
            _events.c.project_id,
            _events.c.stored,
            _events.c.duplicates,
            _events.c.passed,
            _events.c.dead_lettered,
        )
        both = at.add_columns(_kind("position")).union_all(done.add_columns(_kind("project")))
        async with self._database.session() as session:
            rows = (await session.execute(both)).all()
            settled = (await session.execute(select(_settled))).mappings().all()
        return Books(
            {row[1]: row[0] for row in rows if row[5] == "position"},
            {row[0]: StoredCount(*row[1:5]) for row in rows if row[5] == "project"},
            {row["project_id"]: Settled(row["lost"], row["settled_ms"]) for row in settled},
        )

    async def merge(self, counts: Mapping[str, int]) -> None:
        news = {name: count for name, count in counts.items() if self._merged.get(name) != count}
        if not news:
            return
        rows = [
            {"door": door, "project_id": project, "outcome": outcome, "events": count}
            for door, project, outcome, count in counters(news)
        ]
        key = ["door", "project_id", "outcome"]
        async with self._database.transaction() as session:
            await upsert(session, LedgerRow, rows, key=key, update={"events": Merge.GREATEST})
        self._merged |= news

    async def taken(self) -> dict[str, dict[str, int]]:
        query = select(_ledger.c.project_id, _ledger.c.outcome, func.sum(_ledger.c.events))
        async with self._database.session() as session:
            rows = await session.execute(query.group_by(_ledger.c.project_id, _ledger.c.outcome))
            found: dict[str, dict[str, int]] = {}
            for project_id, outcome, count in rows:
                found.setdefault(project_id, {})[outcome] = int(count)
        return found

    async def settle(self, lost: Mapping[str, int], at_ms: int) -> None:
        rows = [
            {"project_id": project_id, "lost": count, "settled_ms": at_ms}
            for project_id, count in sorted(lost.items())
        ]
        async with self._database.transaction() as session:
            await upsert(
                session, SettledRow, rows, key=["project_id"], update=["lost", "settled_ms"]
            )


def _zero(name: str) -> ColumnElement[int]:
    return literal(0).label(name)


def _kind(name: str) -> ColumnElement[str]:
    return literal(name).label("kind")
