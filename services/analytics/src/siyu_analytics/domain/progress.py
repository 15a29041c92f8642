"""How far a question is, from what the engine says of its statements.

A question may be several statements, and how many is not known before. Of what is left each takes
four fifths while it reads, and the rest of it when it ends: the number grows, and the whole is
reached only by the end.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

_OF_WHAT_IS_LEFT: Final = 0.8
_BEFORE_THE_END: Final = 99


class State(Enum):
    """Of a question."""

    QUEUED = auto()
    """It waits: for freshness, or for a place."""
    RUNNING = auto()
    DONE = auto()
    STOPPED = auto()
    """It ended without an answer."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the engine says of a running statement."""

    rows: int
    rows_total: int
    """Rows that it is known to read; more may follow while it runs."""
    size: int
    """Bytes read."""
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Progress:
    """What a caller is told."""

    state: State
    percent: int
    rows: int = 0
    rows_total: int = 0
    size: int = 0
    elapsed_s: float = 0.0
    eta_s: float | None = None
    """Until the present statement has read its rows; None where it cannot be told."""


@dataclass(slots=True)
class Growth:
    """One question."""

    began_s: float
    """On the monotonic clock."""
    marks: dict[str, Reading | None] = field(default_factory=dict)
    """Statements under way, with what was seen of them last."""
    ended_s: float | None = None
    stopped: bool = False
    percent: int = 0
    rows: int = 0
    rows_total: int = 0
    size: int = 0
    share: float = 0.0
    """Of the whole, by the statements that ended."""

    def start(self, mark: str) -> None:
        """A statement begins, or waits to."""
        self.marks[mark] = None

    def end(self, mark: str, *, stopped: bool) -> None:
        """It ended; ``stopped`` without an answer."""
        seen = self.marks.pop(mark, None)
        self.stopped = stopped
        if seen is not None:
            self.rows += seen.rows
            self.rows_total += max(seen.rows, seen.rows_total)
            self.size += seen.size
        self.share += (1 - self.share) * _OF_WHAT_IS_LEFT

    def close(self, now_s: float) -> None:
        """Nothing of the question runs any more."""
        if self.ended_s is None:
            self.ended_s = now_s

    def look(self, readings: Mapping[str, Reading], now_s: float) -> Progress:
        """How far it is; the percentage never falls."""
        for mark in self.marks:
            self.marks[mark] = readings.get(mark, self.marks[mark])
        seen = [reading for reading in self.marks.values() if reading is not None]
        rows = self.rows + sum(reading.rows for reading in seen)
        total = self.rows_total + sum(max(reading.rows, reading.rows_total) for reading in seen)
        size = self.size + sum(reading.size for reading in seen)
        state = self._state(readings)
        self.percent = max(self.percent, self._percent(state, seen))
        end_s = now_s if self.ended_s is None else self.ended_s
        eta_s = max(map(eta_of, seen), default=None, key=lambda eta: eta or 0.0)
        return Progress(
            state, self.percent, rows, total, size, end_s - self.began_s,
            eta_s if state is State.RUNNING else None,
        )  # fmt: skip

    def _state(self, readings: Mapping[str, Reading]) -> State:
        if self.ended_s is not None:
            return State.STOPPED if self.stopped else State.DONE
        return State.RUNNING if any(mark in readings for mark in self.marks) else State.QUEUED

    def _percent(self, state: State, seen: list[Reading]) -> int:
        if state is State.DONE:
            return 100
        part = min(map(part_of, seen), default=0.0)
        share = self.share + (1 - self.share) * _OF_WHAT_IS_LEFT * part
        return min(_BEFORE_THE_END, int(share * 100))


def part_of(reading: Reading) -> float:
    """How much of its rows a statement has read, 0 to 1."""
    return min(1.0, reading.rows / reading.rows_total) if reading.rows_total > 0 else 0.0


def eta_of(reading: Reading) -> float | None:
    """Seconds until a statement has read its rows, at the pace so far."""
    left = reading.rows_total - reading.rows
    if left <= 0 or reading.rows <= 0:
        return None
    return reading.elapsed_s * left / reading.rows
