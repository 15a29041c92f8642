"""Waiting where a stream of events can, and a single request is told to come again."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Final, TypeVar

from siyu_kit.clock import Clock
from siyu_kit.errors import TooBusy

R = TypeVar("R")

PATIENCE_S: Final = 60.0
"""How long a stream waits for a door that is busy before it gives up."""
_SHORTEST_S: Final = 0.05


async def patiently(
    clock: Clock,
    action: Callable[[], Awaitable[R]],
    waiting: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
) -> R:
    """Repeat the action as long as it is refused for now. Raises TooBusy after ``PATIENCE_S``.

    The time between is spent inside of ``waiting``.
    """
    deadline = clock.monotonic() + PATIENCE_S
    while True:
        try:
            return await action()
        except TooBusy as busy:
            if clock.monotonic() >= deadline:
                raise
            async with waiting():
                await clock.sleep(max(_SHORTEST_S, busy.retry_after_s))
