"""When the door says "not now": too many bytes in flight, or a log that nobody empties."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from siyu_collect.app.ports import EventLog
from siyu_kit.clock import Clock
from siyu_kit.errors import DependencyDown, TooBusy
from siyu_kit.log import get_logger

logger = get_logger(__name__)

IN_FLIGHT_RETRY_S: Final = 0.5
BACKLOG_RETRY_S: Final = 5.0
ASSUMED_ENTRY_BYTES: Final = 16_384
"""Size of an entry before any was appended by this process."""
_SMOOTHING: Final = 0.02
_FOR_OTHERS: Final = 4 / 3


class Backpressure:
    """Bounds what this process holds in memory and what the log holds in all.

    A full log means that a reader has been away for long: taking more would end in a server
    without memory, which helps nobody, so senders keep their events until it has caught up.
    """

    def __init__(
        self,
        log: EventLog,
        clock: Clock,
        *,
        max_in_flight_bytes: int,
        max_log_entries: int,
        max_log_bytes: int,
        look_every_s: float = 2.0,
    ) -> None:
        self._log = log
        self._clock = clock
        self._max_in_flight = max_in_flight_bytes
        self._max_entries = max_log_entries
        self._max_bytes = max_log_bytes
        self._look_every_s = look_every_s
        self._mean_bytes = float(ASSUMED_ENTRY_BYTES)
        self.in_flight = 0
        self._held: dict[str, int] = {}  # projects with bytes in flight only
        self.backlogged = False

    def check(self) -> None:
        """Raises TooBusy (OVERLOADED) while the log holds too much."""
        if self.backlogged:
            raise TooBusy(
                "OVERLOADED",
                "the event log is full: its readers are behind",
                retry_after_s=BACKLOG_RETRY_S,
                limit="log",
            )

    @contextmanager
    def holding(self, size: int, project: str = "") -> Iterator[None]:
        """Account for bytes in flight. Raises TooBusy (OVERLOADED) when they would be too many.

        A lone request is let in whatever its size, or it could never pass. Projects that hold
        nothing may go beyond the bound by a third: another one's flood must not shut them out.
        """
        own = self._held.get(project, 0)
        bound = self._max_in_flight * (1 if own else _FOR_OTHERS)
        if self.in_flight and self.in_flight + size > bound:
            raise TooBusy(
                "OVERLOADED",
                "too many bytes are in flight",
                retry_after_s=IN_FLIGHT_RETRY_S,
                limit="in_flight_bytes",
            )
        self.in_flight += size
        self._held[project] = own + size
        try:
            yield
        finally:
            self.in_flight -= size
            left = self._held.get(project, 0) - size
            if left:
                self._held[project] = left
            else:  # a batch may hold nothing at all, so it may be gone already
                self._held.pop(project, None)

    def learn(self, entry_bytes: int) -> None:
        """Take the size of an appended entry into account."""
        self._mean_bytes += _SMOOTHING * (entry_bytes - self._mean_bytes)

    async def watch(self) -> None:
        """Look at the log's length for ever (a worker)."""
        while True:
            try:
                self._judge(await self._log.entries())
            except DependencyDown as error:
                logger.warning("log_length_unknown", reason=error.reason)
            await self._clock.sleep(self._look_every_s)

    def _judge(self, entries: int) -> None:
        full = entries > self._max_entries or entries * self._mean_bytes > self._max_bytes
        if full != self.backlogged:
            self.backlogged = full
            logger.warning("log_full" if full else "log_has_room", entries=entries)
