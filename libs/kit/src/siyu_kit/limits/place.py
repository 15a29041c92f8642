"""The slot that a message of a stream holds, and giving it back while nothing is worked on."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from siyu_kit.clock import Clock
from siyu_kit.errors import TooBusy
from siyu_kit.limits.slots import SlotPool
from siyu_kit.scope import current_scope


class Place:
    """One request's slot. For one task: whoever gives it back is who works on the request."""

    def __init__(self, pool: SlotPool, project: str, weight: float, clock: Clock) -> None:
        self._pool = pool
        self._project = project
        self._weight = weight
        self._clock = clock
        self._release: Callable[[], None] | None = None

    async def take(self) -> None:
        """Wait for the slot. Raises what SlotPool raises."""
        self._release = await self._pool.take(self._project, self._weight)

    def leave(self) -> None:
        """Give the slot back, if it is held."""
        release, self._release = self._release, None
        if release is not None:
            release()

    @asynccontextmanager
    async def given_back(self) -> AsyncIterator[None]:
        """Do without the slot inside the block, and wait for one after it.

        When the block raises, none is taken again.
        """
        if self._release is None:
            yield
            return
        self.leave()
        yield
        await self._take_again()

    async def _take_again(self) -> None:
        while True:
            try:
                await self.take()
            except TooBusy as busy:
                await self._clock.sleep(busy.retry_after_s)
            else:
                return


@asynccontextmanager
async def aside() -> AsyncIterator[None]:
    """Wait for something inside the block without the slot of the message that is served.

    For the task that serves the message only. Anywhere else than in a request stream it does
    nothing.
    """
    scope = current_scope()
    if scope is None or scope.place is None:
        yield
        return
    async with scope.place.given_back():
        yield
