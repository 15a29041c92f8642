"""Waiting for a slot: the fair queue, with tasks."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from siyu_kit.clock import Clock
from siyu_kit.errors import DeadlineExceeded, TooBusy
from siyu_kit.limits.fair_queue import Entry, FairQueue, Slots
from siyu_kit.scope import current_scope

_SMOOTHING: Final = 0.1
_SHORTEST_RETRY_S: Final = 0.05
_LONGEST_RETRY_S: Final = 30.0

Ticket = asyncio.Future[None]


class SlotPool:
    """Slots of one kind of work, shared between projects.

    ``max_age_s`` bounds how old a project's queue may get before its new requests are refused. With
    ``fair`` off all are one queue, first come, first served.
    """

    def __init__(
        self,
        name: str,
        slots: Slots,
        clock: Clock,
        *,
        max_age_s: float = float("inf"),
    ) -> None:
        self.name = name
        self.fair = True
        self._queue: FairQueue[Ticket] = FairQueue(slots)
        self._clock = clock
        self._max_age_s = max_age_s
        self._mean_s = 0.05

    @property
    def running(self) -> int:
        """Slots taken."""
        return self._queue.running

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return self._queue.waiting

    @asynccontextmanager
    async def held(self, project: str, weight: float = 1.0) -> AsyncIterator[None]:
        """Hold a slot inside the block.

        Raises TooBusy (PROJECT_BUSY) when the project's queue is full or too old, and
        DeadlineExceeded when the served call's time ran out in the queue.
        """
        release = await self.take(project, weight)
        try:
            yield
        finally:
            release()

    async def take(self, project: str, weight: float = 1.0) -> Callable[[], None]:
        """The same for work that outlives its caller: the answer gives the slot back, once."""
        key = project if self.fair else ""
        await self._wait(key, weight)
        started = self._clock.monotonic()

        def release() -> None:
            self._mean_s += _SMOOTHING * (self._clock.monotonic() - started - self._mean_s)
            self._leave(key)

        return release

    async def _wait(self, key: str, weight: float) -> None:
        now = self._clock.monotonic()
        if self._queue.age_s(key, now) > self._max_age_s:
            raise self._busy(key, "queue_age")
        ticket: Ticket = asyncio.get_running_loop().create_future()
        entry, evicted = self._queue.enter(key, ticket, now, weight)
        if entry is Entry.STARTED:
            return
        if entry is Entry.REFUSED:
            raise self._busy(key, "queue")
        if evicted is not None and not evicted.done():
            evicted.set_exception(self._busy(key, "queue"))
        try:
            await ticket
        except BaseException:
            given = ticket.done() and not ticket.cancelled() and ticket.exception() is None
            if not self._queue.withdraw(key, ticket) and given:
                self._leave(key)
            raise
        if self._is_late():
            self._leave(key)
            raise DeadlineExceeded(
                "DEADLINE_EXCEEDED", "the time ran out in the queue", method=self.name
            )

    def _leave(self, key: str) -> None:
        for owner, ticket in self._queue.leave(key):
            if ticket.done():  # cancelled, and its task had no turn yet to withdraw it
                self._leave(owner)
            else:
                ticket.set_result(None)

    def _busy(self, key: str, limit: str) -> TooBusy:
        steps = max(1.0, self._queue.waiting_of(key) / 2)
        wait_s = self._queue.retry_after_s(key, self._mean_s) * steps
        # Those refused together do not come back together.
        wait_s = max(_SHORTEST_RETRY_S, wait_s) * random.uniform(1, 2)
        return TooBusy(
            "PROJECT_BUSY",
            "too many requests of the project wait already",
            retry_after_s=min(_LONGEST_RETRY_S, wait_s),
            limit=f"{self.name}_{limit}",
        )

    def _is_late(self) -> bool:
        """Whether the served call's deadline has passed: the loop may have been too busy to say."""
        scope = current_scope()
        return (
            scope is not None
            and scope.deadline is not None
            and self._clock.monotonic() >= scope.deadline
        )
