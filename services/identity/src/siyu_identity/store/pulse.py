"""Wakes who waits for changes when some are committed."""

import asyncio

from siyu_kit.concurrency import wait_for_event


class Pulse:
    """Beats at every commit that changed something."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def beat(self, _session: object = None) -> None:
        """Wake everybody."""
        event, self._event = self._event, asyncio.Event()
        event.set()

    async def wait(self, timeout_s: float) -> bool:
        """Wait for the next beat; False when there was none in time."""
        return await wait_for_event(self._event, timeout_s)
