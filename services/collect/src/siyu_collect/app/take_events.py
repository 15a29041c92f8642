"""Takes a batch in: sift, append durably, answer."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from siyu.event.v1.event_pb2 import Event
from siyu_collect.app.backpressure import Backpressure
from siyu_collect.app.event_message import event_of
from siyu_collect.app.ports import Batch, Charge, EventLog, Tally
from siyu_collect.domain.admission import Origin
from siyu_collect.domain.column_sifting import ColumnSifter, OddEvents
from siyu_collect.domain.columns.columns import Columns
from siyu_collect.domain.json_line import fields_of
from siyu_collect.domain.sifted import Refused, Sifted
from siyu_collect.domain.sifting import Item, Line, Sifter
from siyu_kit.errors import InvalidInput
from siyu_kit.failpoints import failpoint
from siyu_kit.telemetry import inject

MAX_LISTED: Final = 1_000
"""Refusals that the answer of a stream lists."""


@dataclass(slots=True)
class Outcome:
    """What became of a batch: accepted events are durable."""

    accepted: int = 0
    refused: list[Refused] = field(default_factory=list)
    durability: str = ""


@dataclass(slots=True)
class Total:
    """What became of a stream of batches; the first refusals are listed, all are counted."""

    accepted: int = 0
    refused_count: int = 0
    refused: list[Refused] = field(default_factory=list)
    durability: str = ""

    def add(self, outcome: Outcome, first_index: int) -> None:
        """Take a batch's outcome in; its indexes count from ``first_index``."""
        self.accepted += outcome.accepted
        self.durability = outcome.durability
        self.refused_count += len(outcome.refused)
        room = max(0, MAX_LISTED - len(self.refused))
        self.refused += [Refused(first_index + r.index, r.error) for r in outcome.refused[:room]]


def _free(project_id: str, events: int) -> None:
    """No project has a rate."""


class TakeEvents:
    """The one way in, for every format."""

    def __init__(
        self,
        log: EventLog,
        backpressure: Backpressure,
        tally: Tally,
        partitions: int,
        charge: Charge = _free,
    ) -> None:
        self._log = log
        self._backpressure = backpressure
        self._tally = tally
        self._charge = charge
        self._sifter = Sifter(partitions)
        self._column_sifter = ColumnSifter(partitions)

    async def __call__(self, items: Sequence[Item], origin: Origin) -> Outcome:
        """Return when what is accepted is durable.

        Raises TooBusy or DependencyDown when it cannot be made durable now; nothing is counted
        then, and the whole batch may be sent again.
        """
        self._backpressure.check()
        self._charge(origin.project_id, len(items))
        return await self._store(self._sifter.sift(items, origin), origin)

    async def columns(self, columns: Columns, odd: OddEvents, origin: Origin) -> Outcome:
        """The same for a request that was read as columns, but for some odd events."""
        self._backpressure.check()
        self._charge(origin.project_id, len(columns))
        sifted = self._column_sifter.sift(columns, odd, origin, Event.FromString)
        return await self._store(sifted, origin)

    async def lines(self, lines: Sequence[Line], origin: Origin) -> Outcome:
        """The same for parsed lines of an import."""
        self._backpressure.check()
        self._charge(origin.project_id, len(lines))
        return await self._store(self._sifter.sift_lines(lines, origin, read_line), origin)

    async def _store(self, sifted: Sifted, origin: Origin) -> Outcome:
        batches = list(_batches(sifted))
        size = sum(len(batch.payload) for batch in batches)
        refused = Counter(item.error.reason for item in sifted.refused)
        with self._backpressure.holding(size, origin.project_id):
            if batches or refused:
                failpoint("collect.before_append")
                await self._log.append(origin.project_id, batches, refused, inject())
                failpoint("collect.after_append")
        for batch in batches:
            self._backpressure.learn(len(batch.payload))
        if sifted.accepted:
            self._tally.accepted(origin.source, sifted.accepted)
        for reason, count in refused.items():
            self._tally.refused(origin.source, reason, count)
        return Outcome(sifted.accepted, sifted.refused, self._log.durability)


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
