"""Whether a chain of audit records is what was written: what was done to it, and where."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from siyu_kit.audit.record import AuditRecord, Head, digest_of

MAX_FAULTS: Final = 100
"""Faults that are named; a chain with more is broken all over."""


class FaultKind(StrEnum):
    """What was done to a record."""

    ALTERED = "altered"
    MISSING = "missing"
    MOVED = "moved"
    """It stands in another's place."""
    CUT = "cut"
    """The end is missing, from this number on."""
    ANCHOR = "anchor"
    """The chain was written anew: it holds in itself, an exported head says otherwise."""


@dataclass(frozen=True)
class Fault:
    """One finding."""

    kind: FaultKind
    number: int


class Checker:
    """Is fed the records of a chain in the order of their numbers."""

    def __init__(self, start: Head, anchors: Iterable[Head] = ()) -> None:
        """``start``: the head before the first record that will come."""
        self._last = start
        self._anchors = {anchor.number: anchor.digest for anchor in anchors}
        self._faults: list[Fault] = []
        self._suspects: list[AuditRecord] = []

    def feed(self, records: Sequence[AuditRecord]) -> None:
        """The next records."""
        for record in records:
            self._check(record)
            self._last = Head(record.number, record.digest)

    @property
    def last(self) -> Head:
        """The last record that came."""
        return self._last

    def faults(self, head: Head | None) -> list[Fault]:
        """What was found, by number.

        ``head`` is where the chain says that it ends; None when more records wait to be fed.
        """
        if head is not None:
            newest = max([head.number, *self._anchors])
            if newest > self._last.number:
                self._found(FaultKind.CUT, self._last.number + 1)
            elif head != self._last:
                # The last record, or the note of where the chain ends: one of them was changed.
                self._found(FaultKind.ALTERED, self._last.number)
        self._name_suspects()
        return sorted(set(self._faults), key=lambda fault: (fault.number, fault.kind))

    def _check(self, record: AuditRecord) -> None:
        last = self._last
        for number in range(last.number + 1, min(record.number, last.number + 1 + MAX_FAULTS)):
            self._found(FaultKind.MISSING, number)
        if record.digest != digest_of(record.previous, record.number, record.entry):
            self._suspects.append(record)
        elif record.number == last.number + 1 and record.previous != last.digest:
            # It is whole and follows another record than the one that stands before it.
            self._found(FaultKind.ALTERED, last.number or record.number)
        elif self._anchors.get(record.number, record.digest) != record.digest:
            self._found(FaultKind.ANCHOR, record.number)

    def _name_suspects(self) -> None:
        numbers = {record.number for record in self._suspects}
        numbers |= {fault.number for fault in self._faults}
        for record in self._suspects[:MAX_FAULTS]:
            moved = any(
                record.digest == digest_of(record.previous, number, record.entry)
                for number in sorted(numbers)[:MAX_FAULTS]
            )
            self._found(FaultKind.MOVED if moved else FaultKind.ALTERED, record.number)

    def _found(self, kind: FaultKind, number: int) -> None:
        if len(self._faults) < MAX_FAULTS:
            self._faults.append(Fault(kind, number))
