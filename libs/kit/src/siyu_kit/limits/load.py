"""How loaded this process is, and whom it refuses then.

Two signals are the process's own: how late the event loop is, and how many bytes of requests it
holds. Past a limit LOW calls are refused, past twice the limit ORDINARY ones too, VITAL ones never.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from siyu_kit.clock import Clock
from siyu_kit.errors import TooBusy
from siyu_kit.limits.priority import Priority

LOOK_EVERY_S: Final = 0.1
_FADING: Final = 0.7
"""What is left of a lag at the next look: one hiccup is forgotten within a second."""
_PATIENCE: Final = {Priority.LOW: 1.0, Priority.ORDINARY: 2.0}
_RETRY_S: Final = 1.0
_LONGEST_RETRY_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class LoadBounds:
    """Where shedding begins."""

    lag_s: float = 0.5
    """The event loop is this late."""
    in_flight_bytes: int = 128_000_000
    """Request messages received and not answered yet."""


class Load:
    """The signals and the decision."""

    def __init__(self, bounds: LoadBounds, clock: Clock) -> None:
        self._bounds = bounds
        self._clock = clock
        self.lag_s = 0.0
        self.in_flight_bytes = 0

    def check(self, priority: Priority) -> None:
        """Raises TooBusy (OVERLOADED) when calls of this priority are shed now."""
        patience = _PATIENCE.get(priority)
        if patience is None:
            return
        by_lag = self.lag_s / self._bounds.lag_s
        by_bytes = self.in_flight_bytes / self._bounds.in_flight_bytes
        pressure = max(by_lag, by_bytes)
        if pressure >= patience:
            wait_s = min(_LONGEST_RETRY_S, _RETRY_S * pressure) * random.uniform(0.5, 1)
            raise TooBusy(
                "OVERLOADED",
                "the service is overloaded",
                retry_after_s=wait_s,
                limit="event_loop_lag" if by_lag >= by_bytes else "in_flight_bytes",
            )

    @contextmanager
    def holding(self, size: int) -> Iterator[None]:
        """Account for a request of this many bytes."""
        self.in_flight_bytes += size
        try:
            yield
        finally:
            self.in_flight_bytes -= size

    async def look(self) -> None:
        """Sleep for one step and see how late it ended."""
        started = self._clock.monotonic()
        await self._clock.sleep(LOOK_EVERY_S)
        late_s = self._clock.monotonic() - started - LOOK_EVERY_S
        self.lag_s = max(late_s, self.lag_s * _FADING)
