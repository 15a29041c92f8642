"""What every question does first and last: fix what it is a function of, and run a statement."""

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from siyu_analytics.app.ports import Engine, Freshness, PersonMap, Snapshot, Watermarks
from siyu_analytics.app.recent_work import RecentWork
from siyu_analytics.app.underway import Underway
from siyu_analytics.domain.binder import Basis, Query
from siyu_kit.clock import Clock, SystemClock
from siyu_kit.errors import DeadlineExceeded


@dataclass(frozen=True, slots=True)
class Call:
    """What belongs to the call rather than to the question."""

    project_id: str
    deadline: float
    """On the monotonic clock."""
    freshness: Freshness = field(default_factory=Freshness)


@dataclass(frozen=True, slots=True)
class Asking:
    """The ports of a question."""

    engine: Engine
    watermarks: Watermarks
    persons: PersonMap
    clock: Clock
    recent: RecentWork = field(default_factory=RecentWork)
    underway: Underway = field(default_factory=lambda: Underway(SystemClock()))

    async def basis(
        self, call: Call, as_of_ms: int, zone: str, *, pinned: Snapshot | None = None
    ) -> tuple[Basis, Snapshot]:
        """Wait until the store is fresh enough, and fix what the answer is a function of.

        ``pinned`` is the state of an earlier answer: events and traits beyond it are not seen, so
        that a list stays that of its count. Persons are always those of now.
        """
        self.underway.begin(call.project_id)
        snapshot = await self.watermarks.wait(call.project_id, call.freshness, call.deadline)
        self.recent.link(call.project_id, snapshot)
        if pinned is not None:
            snapshot = Snapshot(
                batch_no=min(snapshot.batch_no, pinned.batch_no),
                identity_sequence=snapshot.identity_sequence,
                profile_sequence=min(snapshot.profile_sequence, pinned.profile_sequence),
            )
        basis = Basis(
            project_id=call.project_id,
            as_of_ms=as_of_ms,
            zone=zone,
            batch_no=snapshot.batch_no,
            profile_sequence=snapshot.profile_sequence,
            person=self.persons.expression(call.project_id, "ident_no"),
            population=self.persons.population(call.project_id),
        )
        return basis, snapshot

    async def rows(self, query: Query, call: Call) -> list[dict[str, Any]]:
        """The rows of an answer; raises DeadlineExceeded when the call's time has run out."""
        table = await self._table(query, call)
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows

    async def numbers(self, query: Query, call: Call) -> tuple[Any, dict[str, Any]]:
        """Of the one row of an answer the list ``members`` as uint32 array, and the other columns.

        The list does not become Python objects: it may have millions of elements.
        """
        table = await self._table(query, call)
        members = table.column("members").combine_chunks().flatten().to_numpy(zero_copy_only=False)
        rest: dict[str, Any] = table.drop_columns(["members"]).to_pylist()[0]
        return members, rest

    async def _table(self, query: Query, call: Call) -> pa.Table:
        timeout_s = call.deadline - self.clock.monotonic()
        if timeout_s <= 0:
            raise DeadlineExceeded("DEADLINE_EXCEEDED", "no time is left", method="query")
        with self.underway.statement(call.project_id) as mark:
            return await self.engine.query(
                query.sql, query.parameters, timeout_s=timeout_s, mark=mark
            )
