"""A cap on dead letters: a bad release must stop a reader, not drain the stream into a table."""

from collections import deque
from dataclasses import dataclass

from siyu_kit.clock import Clock


class TooManyDeadLetters(Exception):
    """The share of dead letters passed its cap; the reader stands still until a person looked."""


@dataclass(frozen=True, slots=True)
class DeadLetterCap:
    """At most ``share`` of the entries of the last ``window_s``, but ``at_least`` in any case."""

    share: float = 0.1
    at_least: int = 20
    window_s: float = 600.0


class DeadLetterLimit:
    """Counts over a sliding window. It outlives a restart of the reader, not of the process."""

    def __init__(self, clock: Clock, cap: DeadLetterCap) -> None:
        self._clock = clock
        self._cap = cap
        # (time, entries, letters), one item a batch.
        self._seen: deque[tuple[float, int, int]] = deque()
        self._entries = 0
        self._letters = 0

    def passed(self, entries: int) -> None:
        """Entries were processed."""
        self._add(entries, 0)

    def admit(self) -> None:
        """Ask before a dead letter is written; raises ``TooManyDeadLetters``."""
        self._forget()
        allowed = max(self._cap.at_least, int(self._cap.share * self._entries))
        if self._letters >= allowed:
            raise TooManyDeadLetters(
                f"{self._letters} dead letters among {self._entries} entries"
                f" in {self._cap.window_s:.0f} s"
            )

    def buried(self) -> None:
        """A dead letter was written."""
        self._add(1, 1)

    def _add(self, entries: int, letters: int) -> None:
        self._seen.append((self._clock.monotonic(), entries, letters))
        self._entries += entries
        self._letters += letters
        self._forget()

    def _forget(self) -> None:
        oldest = self._clock.monotonic() - self._cap.window_s
        while self._seen and self._seen[0][0] < oldest:
            _, entries, letters = self._seen.popleft()
            self._entries -= entries
            self._letters -= letters
