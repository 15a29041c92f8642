"""Supervision of a service's background workers.

A worker is a coroutine function that runs until it is cancelled. One that raises is logged and
started again after a growing pause, and the service is not ready while it is down. Stopping lets
a worker finish the unit of work it is in.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Final

from siyu_kit.log import get_logger
from siyu_kit.metric_defs import WORKER_FAILURES
from siyu_kit.telemetry import DISABLED, Telemetry

Worker = Callable[[], Awaitable[None]]

logger = get_logger(__name__)

FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 15.0
STEADY_AFTER_S: Final = 1.0
"""A worker that failed counts as up again when its next run has lasted this long."""
HEALTHY_AFTER_S: Final = 30.0
"""A worker that ran this long starts over with the first pause."""


class _Supervised:
    """One worker's task and whether it may be cancelled now."""

    def __init__(self, name: str, worker: Worker) -> None:
        self.name = name
        self.worker = worker
        self.task: asyncio.Task[None] | None = None
        self.up = False
        self.units = 0
        self.stopping = False

    def mark_up(self) -> None:
        """The worker has run for a while."""
        self.up = True

    def stop(self) -> None:
        """Cancel now, or when the unit under way ends."""
        self.stopping = True
        if self.units == 0 and self.task is not None:
            self.task.cancel()


_CURRENT: ContextVar[_Supervised | None] = ContextVar("siyu_worker", default=None)


@asynccontextmanager
async def unit_of_work() -> AsyncIterator[None]:
    """Work inside this block is finished before a stop takes effect (within the stop's grace).

    For effects that cannot be rolled back, such as a send that a provider has taken; a database
    transaction does not need it. Outside of a supervised worker it does nothing.
    """
    supervised = _CURRENT.get()
    if supervised is None:
        yield
        return
    if supervised.stopping and supervised.units == 0:
        await asyncio.sleep(0)  # the stop takes effect here, before another unit begins
    supervised.units += 1
    try:
        yield
    finally:
        supervised.units -= 1
        if supervised.stopping and supervised.units == 0 and supervised.task is not None:
            supervised.task.cancel()


def stopping() -> bool:
    """Whether the worker that asks was told to stop: a long unit begins nothing new then."""
    supervised = _CURRENT.get()
    return supervised is not None and supervised.stopping


class Supervisor:
    """Runs the workers of one service."""

    def __init__(self, workers: Mapping[str, Worker], telemetry: Telemetry = DISABLED) -> None:
        self._workers = [_Supervised(name, worker) for name, worker in workers.items()]
        self._failures = WORKER_FAILURES.on(telemetry.meter)

    @property
    def healthy(self) -> bool:
        """Whether no worker is down."""
        return all(worker.up for worker in self._workers)

    @property
    def down(self) -> list[str]:
        """Names of the workers that are down."""
        return [worker.name for worker in self._workers if not worker.up]

    def add(self, name: str, worker: Worker) -> None:
        """One more worker, before the start."""
        self._workers.append(_Supervised(name, worker))

    def start(self) -> None:
        """Start every worker."""
        for worker in self._workers:
            worker.up = True
            worker.task = asyncio.create_task(self._supervise(worker), name=worker.name)

    async def stop(self, grace_s: float) -> None:
        """Stop every worker; units under way get ``grace_s``, then they are cancelled too."""
        tasks = [worker.task for worker in self._workers if worker.task is not None]
        for worker in self._workers:
            worker.stop()
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=grace_s)
        for task in late:
            logger.warning("worker_cut_off", worker=task.get_name())
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _supervise(self, worker: _Supervised) -> None:
        _CURRENT.set(worker)
        loop = asyncio.get_running_loop()
        pause_s = FIRST_PAUSE_S
        while not worker.stopping:
            started = loop.time()
            steady = loop.call_later(STEADY_AFTER_S, worker.mark_up)
            try:
                await worker.worker()
            except Exception:
                worker.up = False
                self._failures.add(1, {"worker": worker.name})
                logger.exception("worker_failed", worker=worker.name)
            else:
                worker.up = True
                return
            finally:
                steady.cancel()
            if loop.time() - started > HEALTHY_AFTER_S:
                pause_s = FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
