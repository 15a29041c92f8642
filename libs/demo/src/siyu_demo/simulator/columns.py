"""The quarter's records as columns, so that a million of them fit into little memory."""

from dataclasses import dataclass, field

import numpy as np

from siyu_demo.simulator.arrays import NONE, Bools, Ints
from siyu_demo.simulator.vocabulary import TRACK

_FIELDS = ("time", "kind", "name", "subject", "other", "device", "detail", "amount", "channel")


@dataclass(slots=True)
class Columns:
    """Collects blocks of records; every column is an array of the same length."""

    _blocks: dict[str, list[Ints]] = field(default_factory=lambda: {name: [] for name in _FIELDS})

    def add(
        self,
        *,
        time: Ints,
        subject: Ints,
        name: Ints | int = NONE,
        kind: int = TRACK,
        other: Ints | int = NONE,
        device: Ints | int = NONE,
        detail: Ints | int = 0,
        amount: Ints | int = 0,
        channel: Ints | int = NONE,
    ) -> None:
        """Adds one block.

        Args:
            time: milliseconds.
            subject: index of the best identifier.
            name: code of the event's name.
            kind: code of the record's type.
            other: index of the second identifier.
            device: row of the device; NONE for what a server reports.
            detail: what the name makes of it: a step, an article, a customer's row.
            amount: fen, or whatever second number the name needs.
            channel: code of the channel.
        """
        given = (time, kind, name, subject, other, device, detail, amount, channel)
        for column, value in zip(_FIELDS, given, strict=True):
            self._blocks[column].append(
                np.broadcast_to(np.asarray(value, dtype=np.int64), time.shape)
            )

    def table(self, end_ms: int) -> "Table":
        """Puts what happened before the end into the order of time."""
        whole = {name: np.concatenate(blocks) for name, blocks in self._blocks.items()}
        kept: Bools = whole["time"] < end_ms
        order = np.flatnonzero(kept)[np.argsort(whole["time"][kept], kind="stable")]
        return Table(**{name: column[order] for name, column in whole.items()})


@dataclass(frozen=True, slots=True)
class Table:
    """All records of the quarter in the order of time; the fields are those of Columns.add."""

    time: Ints
    kind: Ints
    name: Ints
    subject: Ints
    other: Ints
    device: Ints
    detail: Ints
    amount: Ints
    channel: Ints

    def __len__(self) -> int:
        return len(self.time)

    def slice(self, start: int, stop: int) -> "Table":
        """Rows from start to before stop."""
        return Table(*(getattr(self, name)[start:stop] for name in _FIELDS))

    def lists(self) -> list[list[int]]:
        """The columns as plain numbers."""
        return [getattr(self, name).tolist() for name in _FIELDS]
