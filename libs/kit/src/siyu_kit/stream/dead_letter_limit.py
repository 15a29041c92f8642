"""A cap on dead letters: a bad release must stop a reader, not drain the stream into a table."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from siyu_kit.clock import Clock

_GRAIN_S: Final = 1.0


class TooManyDeadLetters(Exception):
    """The share of dead letters passed its cap; the reader stands still until a person looked."""


@dataclass(frozen=True, slots=True)
class DeadLetterCap:
    """At most ``share`` of the entries of the last ``window_s``, but ``at_least`` in any case."""

    share: float = 0.1
    at_least: int = 20
    window_s: float = 600.0


class DeadLetterLimit:
    """Counts over a sliding window. It outlives a restart of the reader, not of the process.

    Once passed it stays passed until ``resume``: time heals no bad release.
    """

    def __init__(self, clock: Clock, cap: DeadLetterCap) -> None:
        self._clock = clock
        self._cap = cap
        # Time, entries and letters.
        # bounded: one item a second of the window
        self._seen: deque[tuple[float, int, int]] = deque()
        self._entries = 0
        self._letters = 0
        self._refused = 0
        self._waived = 0
        self.stopped = ""

    def passed(self, entries: int) -> None:
        """Entries were processed."""
        self._add(entries, 0)

    def admit(self, letters: int = 1, *, entries: int = 0, about: str = "") -> None:
        """Ask before dead letters are written; raises ``TooManyDeadLetters``.

        ``entries``: those of the batch that the letters come from, which are not counted yet.
        ``about`` tells the person who will look what the letters are.
        """
        self._forget()
        seen = self._entries + entries
        allowed = max(self._cap.at_least, int(self._cap.share * seen))
        found = self._letters + letters
        if self.stopped or found - min(letters, self._waived) > allowed:
            self._refused = max(self._refused, letters)
            self.stopped = self.stopped or (
                f"{found} dead letters among {seen} entries in {self._cap.window_s:.0f} s"
                + (f": {about}" if about else "")
            )
            raise TooManyDeadLetters(self.stopped)

    def buried(self, letters: int = 1, *, entries: int | None = None) -> None:
        """Dead letters were written; ``entries`` are as many, if they are not counted elsewhere."""
        waived = min(letters, self._waived)
        self._waived -= waived
        self._add(letters if entries is None else entries, letters - waived)

    def resume(self) -> None:
        """A person has looked: count from the beginning, without the letters that were refused.

        Or a batch with more of them than any cap allows would stop the reader for ever.
        """
        self._seen.clear()
        self._entries = self._letters = 0
        self._waived, self._refused = self._refused, 0
        self.stopped = ""

    def _add(self, entries: int, letters: int) -> None:
        now = self._clock.monotonic()
        if self._seen and now - self._seen[-1][0] < _GRAIN_S:
            at, more_entries, more_letters = self._seen.pop()
            self._seen.append((at, more_entries + entries, more_letters + letters))
        else:
            self._seen.append((now, entries, letters))
        self._entries += entries
        self._letters += letters
        self._forget()

    def _forget(self) -> None:
        oldest = self._clock.monotonic() - self._cap.window_s
        while self._seen and self._seen[0][0] < oldest:
            _, entries, letters = self._seen.popleft()
            self._entries -= entries
            self._letters -= letters
