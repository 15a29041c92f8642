"""Takes a batch in: sift, append durably, answer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from siyu_collect.app.backpressure import Backpressure
from siyu_collect.app.event_message import event_of
from siyu_collect.app.ports import Batch, EventLog, Tally
from siyu_collect.domain.admission import Origin
from siyu_collect.domain.json_line import fields_of
from siyu_collect.domain.sifting import Item, Line, Refused, Sifted, Sifter
from siyu_kit.errors import InvalidInput
from siyu_kit.telemetry import inject

MAX_LISTED: Final = 1_000
"""Refusals that the answer of a stream lists."""


@dataclass(slots=True)
class Outcome:
    """What became of a batch: accepted events are durable."""

    accepted: int = 0
    refused: list[Refused] = field(default_factory=list)


@dataclass(slots=True)
class Total:
    """What became of a stream of batches; the first refusals are listed, all are counted."""

    accepted: int = 0
    refused_count: int = 0
    refused: list[Refused] = field(default_factory=list)

    def add(self, outcome: Outcome, first_index: int) -> None:
        """Take a batch's outcome in; its indexes count from ``first_index``."""
        self.accepted += outcome.accepted
        self.refused_count += len(outcome.refused)
        room = max(0, MAX_LISTED - len(self.refused))
        self.refused += [Refused(first_index + r.index, r.error) for r in outcome.refused[:room]]


class TakeEvents:
    """The one way in, for every format."""

    def __init__(
        self, log: EventLog, backpressure: Backpressure, tally: Tally, partitions: int
    ) -> None:
        self._log = log
        self._backpressure = backpressure
        self._tally = tally
        self._sifter = Sifter(partitions)

    async def __call__(self, items: Sequence[Item], origin: Origin) -> Outcome:
        """Return when what is accepted is durable.

        Raises TooBusy or DependencyDown when it cannot be made durable now; nothing is counted
        then, and the whole batch may be sent again.
        """
        self._backpressure.check()
        return await self._store(self._sifter.sift(items, origin), origin)

    async def lines(self, lines: Sequence[Line], origin: Origin) -> Outcome:
        """The same for parsed lines of an import."""
        self._backpressure.check()
        return await self._store(self._sifter.sift_lines(lines, origin, read_line), origin)

    async def _store(self, sifted: Sifted, origin: Origin) -> Outcome:
        batches = list(_batches(sifted))
        size = sum(len(batch.payload) for batch in batches)
        with self._backpressure.holding(size):
            if batches:
                await self._log.append(batches, inject())
        for batch in batches:
            self._backpressure.learn(len(batch.payload))
        self._count(sifted, origin.source)
        return Outcome(sifted.accepted, sifted.refused)

    def _count(self, sifted: Sifted, source: str) -> None:
        if sifted.accepted:
            self._tally.accepted(source, sifted.accepted)
        for refused in sifted.refused:
            self._tally.refused(source, refused.error.reason)


def _batches(sifted: Sifted) -> Iterator[Batch]:
    for partition, parcel in enumerate(sifted.parcels):
        if parcel.count:
            yield Batch(partition, b"".join(parcel.pieces), parcel.count, parcel.kinds)


def read_line(line: Any) -> Item:
    """A parsed line as an event, or why it is none."""
    try:
        return event_of(fields_of(line))
    except InvalidInput as refusal:
        return refusal
