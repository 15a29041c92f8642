"""Reconciles: the doors' ledger, the stream and the store, of one moment, to the event.

The books are read first, then ledger and ends of the stream in one step, then the entries between
the sink's positions and those ends are counted. Nothing in between can be missed: what the sink
does meanwhile is not in the books, what doors append meanwhile is neither in the ledger nor below
the ends. Whatever was taken in and is in neither books nor stream is lost.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final

from siyu_analytics.app.reconciliation import Account, Books, Judged, LedgerStore, judged
from siyu_analytics.app.sink_ports import StoredCount
from siyu_kit.clock import Clock
from siyu_kit.errors import DependencyDown
from siyu_kit.log import get_logger
from siyu_kit.stream.port import Cut, StreamStore, is_before, join_id, split_id
from siyu_kit.stream.topics import EVENTS

_log = get_logger(__name__)

EVERY_S: Final = 5.0
MAX_COUNTED_BYTES: Final = 64_000_000
"""Of the stream, read to count what is pending; beyond it pending is inferred."""
_RUN: Final = 100
_ATTEMPTS: Final = 3

Observe = Callable[[Account], None]
"""Takes an account to where it is measured."""


class Reconcile:
    """The use case, and the worker that watches over it."""

    def __init__(
        self, store: LedgerStore, stream: StreamStore, partitions: int, clock: Clock
    ) -> None:
        self._store = store
        self._stream = stream
        self._partitions = partitions
        self._clock = clock
        self._lock = asyncio.Lock()

    async def account(self, project_id: str) -> Account:
        """The project's account now; an empty one for a project that nobody sent to."""
        accounts = (await self.all()).accounts
        return accounts.get(project_id) or Account(project_id, {}, StoredCount())

    async def all(self) -> Judged:
        """Every project's account; what turns out to be lost is told and remembered."""
        async with self._lock:
            books, cut, pending = await self._one_moment()
            await self._store.merge(cut.counters)
            result = judged(books, await self._store.taken(), pending, self._clock.now_ms())
            if result.counted:
                await self._settle(books, result)
            return result

    async def _one_moment(self) -> tuple[Books, Cut, Counter[str] | None]:
        """Books, ledger and what is pending; None where that cannot be counted now."""
        attempts = 0
        while True:
            books = await self._store.books()
            cut = await self._stream.cut(EVENTS.name, self._partitions)
            pending = await self._pending(books, cut)
            if pending is None or await self._still_there(books):
                return books, cut, pending
            attempts += 1
            if attempts == _ATTEMPTS:
                return books, cut, None

    async def _settle(self, books: Books, result: Judged) -> None:
        changed = {}
        for account in result.accounts.values():
            before = books.settled.get(account.project_id)
            if before is None or before.lost != account.lost:
                changed[account.project_id] = account.lost
            grown = account.lost - (before.lost if before else 0)
            if grown > 0:
                _log.error(
                    "events_lost",
                    project_id=account.project_id,
                    count=grown,
                    in_all=account.lost,
                )
        if changed:
            await self._store.settle(changed, self._clock.now_ms())

    async def _pending(self, books: Books, cut: Cut) -> Counter[str] | None:
        """Events between the sink's positions and the ends, by project; None: too many bytes."""
        pending: Counter[str] = Counter()
        size = 0
        for partition, tail in cut.tails.items():
            at = books.positions.get(partition, join_id(0))
            while is_before(at, tail):
                high, low = split_id(at)
                entries = await self._stream.range(
                    EVENTS.name, partition, join_id(high, low + 1), tail, _RUN
                )
                if not entries:
                    break
                for entry in entries:
                    pending[entry.project_id] += entry.count
                    size += len(entry.payload)
                if size > MAX_COUNTED_BYTES:
                    return None
                at = entries[-1].id
        return pending

    async def _still_there(self, books: Books) -> bool:
        """Whether nothing was trimmed above the positions while it was being counted."""
        for partition in range(self._partitions):
            floor = await self._stream.floor(EVENTS.name, partition)
            if is_before(books.positions.get(partition, join_id(0)), floor):
                return False
        return True


class ReconcileWorker:
    """Settles every few seconds, so that a loss is told without anybody asking."""

    def __init__(self, reconcile: Reconcile, observe: Observe, clock: Clock) -> None:
        self._reconcile = reconcile
        self._observe = observe
        self._clock = clock

    async def run(self) -> None:
        """For ever; a worker of the service."""
        while True:
            try:
                for account in (await self._reconcile.all()).accounts.values():
                    self._observe(account)
            except DependencyDown as error:
                _log.warning("not_reconciled", reason=error.reason)
            await self._clock.sleep(EVERY_S)
