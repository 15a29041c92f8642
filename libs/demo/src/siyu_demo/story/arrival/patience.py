"""Coming again when a service says that it has too much to do, as a nightly load does."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from siyu_kit.errors import TooBusy

R = TypeVar("R")


async def patiently(attempt: Callable[[], Awaitable[R]], patience_s: float = 120.0) -> R:
    """Await ``attempt()``, again after each TooBusy at the time it names.

    For calls whose repeat has the effect of one. Raises TooBusy once the patience is over.
    """
    until = time.monotonic() + patience_s
    while True:
        try:
            return await attempt()
        except TooBusy as busy:
            if time.monotonic() + busy.retry_after_s >= until:
                raise
            await asyncio.sleep(busy.retry_after_s)
