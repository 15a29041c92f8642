"""Two shapes of waiting that asyncio leaves to its users."""

import asyncio
import random
from collections.abc import Coroutine

from siyu_kit.clock import Clock


async def run_together(*parts: Coroutine[object, object, None]) -> None:
    """Run all until one fails; the others are cancelled and that first error is raised bare."""
    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(part)
    except BaseExceptionGroup as failures:
        first = failures.exceptions[0]
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None


class Backoff:
    """Pauses that double up to a bound, with jitter so that peers do not return in step."""

    def __init__(self, clock: Clock, first_s: float = 0.05, max_s: float = 5.0) -> None:
        self._clock = clock
        self._first_s = first_s
        self._max_s = max_s
        self._next_s = first_s

    async def pause(self) -> None:
        """Sleep between half and the whole of the current pause, and double it."""
        pause_s, self._next_s = self._next_s, min(self._max_s, self._next_s * 2)
        await self._clock.sleep(pause_s * random.uniform(0.5, 1.0))

    def reset(self) -> None:
        """Start over after a success."""
        self._next_s = self._first_s


async def wait_for_event(event: asyncio.Event, timeout_s: float) -> bool:
    """Wait until the event is set or the time is over; tells which."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
