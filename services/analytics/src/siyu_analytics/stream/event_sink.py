"""The sink's place in the kit's reader: batches of one partition, an open plan first."""

from collections.abc import Iterator, Sequence
from typing import Final

from siyu_analytics.app.plan_batch import PlanBatch
from siyu_analytics.app.recover_sink import RecoverSink
from siyu_kit.clock import Clock
from siyu_kit.stream.ownership import Owned
from siyu_kit.stream.port import Entry, is_before

MAX_EVENTS: Final = 100_000
"""Of one batch, unless a single entry holds more."""
SMALL_BATCH: Final = 2_000
LINGER_S: Final = 0.03
"""After a small batch: the next one is larger, and parts fewer. A tenth of what may be seen."""


class EventSink:
    """An ``Apply``: gives a batch to its use case."""

    def __init__(self, plan_batch: PlanBatch, recover: RecoverSink, clock: Clock) -> None:
        self._plan_batch = plan_batch
        self._recover = recover
        self._clock = clock
        # Epochs of partitions whose last plan is known to be done.
        self._settled: dict[int, int] = {}

    async def __call__(self, owned: Owned, entries: Sequence[Entry]) -> None:
        """Whatever fails leaves the partition unsettled: its plan is replayed before anything."""
        if self._settled.get(owned.partition) != owned.lease.epoch:
            await self._recover(owned)
        entries = [entry for entry in entries if is_before(owned.position, entry.id)]
        for batch in batches(entries):
            self._settled.pop(owned.partition, None)
            await self._plan_batch(owned, batch)
            self._settled[owned.partition] = owned.lease.epoch
        if sum(entry.count for entry in entries) < SMALL_BATCH:
            await self._clock.sleep(LINGER_S)


def batches(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Cut where a batch would exceed ``MAX_EVENTS``."""
    batch: list[Entry] = []
    events = 0
    for entry in entries:
        if batch and events + entry.count > MAX_EVENTS:
            yield batch
            batch, events = [], 0
        batch.append(entry)
        events += entry.count
    if batch:
        yield batch
