"""Answers of the engine, kept under what they are a function of.

A statement with its values is such a key: it names the batch, the sequences and the time of view,
and dictionaries that never change. So nothing is ever wrong in here; what the store has moved on
from is not asked for any more and goes first. Statements that are asked at once run once.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from siyu_analytics.app.kept_bytes import KeptBytes
from siyu_kit.errors import DomainError

Key = tuple[str, tuple[tuple[str, object], ...]]
_OVERHEAD: Final = 1_000
"""Bytes of an answer beside its columns, about."""
_LARGEST: Final = 8
"""An answer may take this part of all, so that one does not drive out the others."""


@dataclass(slots=True)
class _Flight:
    """A statement that runs, and those who wait for it."""

    task: "asyncio.Task[pa.Table]"
    waiting: int = 0


class ResultCache:
    """Keeps at most ``most_bytes``; 0 keeps nothing, and still runs equal statements once."""

    def __init__(self, most_bytes: int = 0) -> None:
        self.kept: KeptBytes[Key, pa.Table] = KeptBytes(most_bytes)
        self.hits = 0
        """Answers that were kept."""
        self.joined = 0
        """Answers that somebody else waited for already."""
        self.misses = 0
        """Answers that the engine was asked for."""
        self._flights: dict[Key, _Flight] = {}

    async def get(
        self,
        sql: str,
        parameters: Mapping[str, object],
        ask: Callable[[], Coroutine[Any, Any, pa.Table]],
    ) -> pa.Table:
        """The answer: kept, on its way already, or asked for by ``ask``, whose errors it raises.

        A caller that stops waiting leaves the others theirs; the last one to leave stops it.
        """
        key = _key(sql, parameters)
        while True:
            found = self.kept.get(key)
            if found is not None:
                self.hits += 1
                return found
            flight = self._flights.get(key)
            if flight is None:
                self.misses += 1
                return await self._wait(self._fly(key, ask))
            self.joined += 1
            # It may fail by what is the other's: no time left, say. Then one asks for oneself.
            with contextlib.suppress(DomainError):
                return await self._wait(flight)

    def _fly(self, key: Key, ask: Callable[[], Coroutine[Any, Any, pa.Table]]) -> _Flight:
        flight = self._flights[key] = _Flight(asyncio.create_task(ask()))

        def landed(task: "asyncio.Task[pa.Table]") -> None:
            if self._flights.get(key) is flight:
                del self._flights[key]
            if not task.cancelled() and task.exception() is None:
                self._keep(key, task.result())

        flight.task.add_done_callback(landed)
        return flight

    async def _wait(self, flight: _Flight) -> pa.Table:
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if flight.waiting == 0:
                flight.task.cancel()

    def _keep(self, key: Key, table: pa.Table) -> None:
        size = table.nbytes + len(key[0]) + _OVERHEAD
        if size <= self.kept.most_bytes // _LARGEST:
            self.kept.put(key, table, size)


def _key(sql: str, parameters: Mapping[str, object]) -> Key:
    return sql, tuple((name, _frozen(value)) for name, value in sorted(parameters.items()))


def _frozen(value: object) -> object:
    """Equal only to itself: 1, 1.0 and True are different values to the engine."""
    if isinstance(value, list | tuple):
        return tuple(_frozen(item) for item in value)
    return type(value).__name__, value
