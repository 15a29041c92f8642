"""Injected time: nothing else in siyu reads the clock or sleeps."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What code that depends on time is given."""

    def now_ms(self) -> int:
        """Wall clock: milliseconds since the epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; for measuring and for deadlines."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds`` of this clock's time."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock that moves only when told: sleepers wake in the order of their times."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._start_ms = now_ms
        self._elapsed_s = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now_ms(self) -> int:
        return self._start_ms + round(self._elapsed_s * 1000)

    def monotonic(self) -> float:
        return self._elapsed_s

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._elapsed_s + seconds, wake))
        await wake

    def set_ms(self, now_ms: int) -> None:
        """Jump the wall clock (also backwards) without waking anyone."""
        self._start_ms += now_ms - self.now_ms()

    async def advance(self, seconds: float) -> None:
        """Move on, waking each sleeper at its time and letting it run before the next one."""
        target = self._elapsed_s + seconds
        while due := [entry for entry in self._sleepers if entry[0] <= target]:
            entry = min(due, key=lambda item: item[0])
            self._sleepers.remove(entry)
            self._elapsed_s = max(self._elapsed_s, entry[0])
            if not entry[1].done():
                entry[1].set_result(None)
            await _settle()
        self._elapsed_s = target
        await _settle()


async def _settle() -> None:
    """Give woken tasks a few turns of the loop."""
    for _ in range(5):
        await asyncio.sleep(0)
