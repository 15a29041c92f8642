"""What every question does first and last: fix what it is a function of, and run a statement."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from siyu_analytics.app.ports import Engine, Freshness, PersonMap, Snapshot, Watermarks
from siyu_analytics.app.recent_work import RecentWork
from siyu_analytics.app.result_cache import ResultCache
from siyu_analytics.app.underway import Underway
from siyu_analytics.domain.binder import Basis, Binder, Query
from siyu_analytics.domain.only_text import other_types_query
from siyu_kit.clock import Clock, SystemClock
from siyu_kit.errors import DeadlineExceeded


@dataclass(frozen=True, slots=True)
class Call:
    """What belongs to the call rather than to the question."""

    project_id: str
    deadline: float
    """On the monotonic clock."""
    freshness: Freshness = field(default_factory=Freshness)
    pinned: Snapshot | None = None
    """The state to answer on, of an earlier answer; None: the present one."""
    only_person: int | None = None
    """The answer is of this person alone; None: of everybody."""


@dataclass(frozen=True, slots=True)
class Asking:
    """The ports of a question."""

    engine: Engine
    watermarks: Watermarks
    persons: PersonMap
    clock: Clock
    recent: RecentWork = field(default_factory=RecentWork)
    results: ResultCache = field(default_factory=ResultCache)
    underway: Underway = field(default_factory=lambda: Underway(SystemClock()))

    async def basis(self, call: Call, as_of_ms: int, zone: str) -> tuple[Basis, Snapshot]:
        """Wait until the store is fresh enough, and fix what the answer is a function of.

        Nothing beyond the call's pinned state is seen: no event, no trait, no merge. So a list
        stays that of its count, and the same key gives the same answer.
        """
        self.underway.begin(call.project_id)
        snapshot = await self.watermarks.wait(call.project_id, _at_least(call), call.deadline)
        self.recent.link(call.project_id, snapshot)
        if call.pinned is not None:
            snapshot = call.pinned
        persons = await self.persons.at(call.project_id, snapshot.identity_sequence)
        basis = Basis(
            project_id=call.project_id,
            as_of_ms=as_of_ms,
            zone=zone,
            batch_no=snapshot.batch_no,
            profile_sequence=snapshot.profile_sequence,
            person=persons.person,
            population=persons.population,
            keeps=persons,
            only_person=call.only_person,
        )
        return basis, snapshot

    async def with_types(
        self, call: Call, basis: Basis, draft: Callable[[Binder], object]
    ) -> Basis:
        """The basis that knows which of the properties that a draft takes as they come are text.

        Only for speed: a statement on the basis as it was gives the same answer.
        """
        drafted = Binder(basis)
        draft(drafted)
        names = sorted(drafted.any_typed)
        if not names:
            return basis
        query = other_types_query(Binder(basis), names)
        async with self._in_time(call) as timeout_s:

            async def ask() -> pa.Table:
                return await self.engine.query(query.sql, query.parameters, timeout_s=timeout_s)

            # Kept under the batch, as answers are: what has come since is not seen by this basis.
            found = await self.results.get(query.sql, query.parameters, ask)
        others = {names[place] for place in found.column("place").to_pylist()}
        return replace(basis, only_text=frozenset(names) - others)

    async def rows(self, query: Query, call: Call, *, of_now: bool = False) -> list[dict[str, Any]]:
        """The rows of an answer; raises DeadlineExceeded when the call's time has run out.

        ``of_now``: the statement reads beyond the question's state, so that its answer is not kept.
        """
        table = await self._table(query, call, of_now=of_now)
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

    async def _table(self, query: Query, call: Call, *, of_now: bool = False) -> pa.Table:
        async with self._in_time(call) as timeout_s:
            with self.underway.statement(call.project_id) as mark:

                async def ask() -> pa.Table:
                    values = query.parameters
                    sql = query.sql
                    return await self.engine.query(sql, values, timeout_s=timeout_s, mark=mark)

                if of_now:
                    return await ask()
                return await self.results.get(query.sql, query.parameters, ask)

    @asynccontextmanager
    async def _in_time(self, call: Call) -> AsyncIterator[float]:
        """Seconds that the call has left; raises DeadlineExceeded when they are over."""
        timeout_s = call.deadline - self.clock.monotonic()
        if timeout_s <= 0:
            raise DeadlineExceeded("DEADLINE_EXCEEDED", "no time is left", method="query")
        try:
            async with asyncio.timeout(timeout_s):
                yield timeout_s
        except TimeoutError:
            raise DeadlineExceeded(
                "DEADLINE_EXCEEDED", "the query ran out of time", method="query"
            ) from None


def _at_least(call: Call) -> Freshness:
    """A state that this store has not reached yet is waited for, as freshness is."""
    asked, pinned = call.freshness, call.pinned
    if pinned is None:
        return asked
    return Freshness(
        min_batch_no=max(asked.min_batch_no, pinned.batch_no),
        min_identity_sequence=max(asked.min_identity_sequence, pinned.identity_sequence),
        min_profile_sequence=max(asked.min_profile_sequence, pinned.profile_sequence),
    )
