"""The partition reader: one task a process, reading the partitions whose lease it holds.

Reads from the positions in the reader's own database, lets the handler work inside the
transaction that also moves the position and checks the lease's epoch, then tells the stream how
far it is, so that trimming can follow. A redelivered entry lies before the position, so nothing
is applied twice.
"""

from collections.abc import Sequence
from typing import Final

from siyu_kit import semconv
from siyu_kit.clock import Clock, SystemClock
from siyu_kit.concurrency import Backoff, run_together
from siyu_kit.failpoints import failpoint
from siyu_kit.log import get_logger
from siyu_kit.sql.engine import Database
from siyu_kit.sql.lease import LeaseLost, Leases
from siyu_kit.stream.apply import Apply, Handle, TransactionalApply
from siyu_kit.stream.dead_letter_limit import DeadLetterCap, DeadLetterLimit
from siyu_kit.stream.gaps import Heal, check_healed, dense_prefix
from siyu_kit.stream.guard import StreamGuard
from siyu_kit.stream.history import History
from siyu_kit.stream.ownership import Owned, Ownership
from siyu_kit.stream.poison import TRANSIENT
from siyu_kit.stream.port import Entry, StreamStore, join_id, split_id
from siyu_kit.stream.reader_metrics import ReaderMetrics
from siyu_kit.stream.reader_states import reader_states
from siyu_kit.stream.topics import TOPICS
from siyu_kit.stream.trimming import check_declared
from siyu_kit.telemetry import active, span_from
from siyu_kit.vitals import Reading

_log = get_logger(__name__)

_REPORT_S: Final = 1.0
_REPORT_AGAIN_S: Final = 10.0
_GAP_WAIT_S: Final = 0.5


class PartitionReader:
    """Reads ``topic`` as the declared reader ``name``.

    Give it a ``handle`` (see ``apply.Handle``), or with ``apply`` a way of its own to commit
    batches, for a store that is not the database. ``limit`` is for a handler that writes dead
    letters of its own. ``heal`` closes gaps of a feed, ``guard`` tells
    when the server became another. ``run`` raises
    on what waiting cannot cure: ``DataLoss``, ``TooManyDeadLetters``, a handler's unknown error.
    """

    def __init__(
        self,
        stream: StreamStore,
        database: Database,
        topic: str,
        name: str,
        handle: Handle | None = None,
        *,
        partitions: int = 1,
        kinds: int = 0,
        apply: Apply | None = None,
        heal: Heal | None = None,
        guard: StreamGuard | None = None,
        leases: Leases | None = None,
        count: int = 200,
        max_bytes: int = 8_000_000,
        block_ms: int = 500,
        limit: DeadLetterLimit | None = None,
        clock: Clock | None = None,
    ) -> None:
        check_declared(topic, name)
        self._stream = stream
        self._topic = TOPICS[topic]
        self._name = name
        self._heal = heal
        self._count = count
        self._max_bytes = max_bytes
        self._block_ms = block_ms
        self._clock = clock or SystemClock()
        self._leases = leases or Leases(database)
        self._ownership = Ownership(database, self._leases, name, topic, range(partitions))
        self._metrics = ReaderMetrics(active().meter, name, topic)
        self._history = History(stream, self._topic, name, self._metrics, self._clock, guard)
        self.limit = limit or DeadLetterLimit(self._clock, DeadLetterCap())
        self._reported: dict[int, tuple[str, float]] = {}
        self._apply: Apply
        if apply is not None:
            self._apply = apply
        elif handle is not None:
            self._apply = TransactionalApply(
                database,
                name,
                topic,
                handle,
                kinds=kinds,
                limit=self.limit,
                on_dead_letter=self._metrics.dead_letter,
            )
        else:
            raise ValueError("a reader needs a handle or an apply")

    @property
    def positions(self) -> dict[int, str]:
        """The committed positions of the partitions held now."""
        return {partition: owned.position for partition, owned in self._ownership.owned.items()}

    async def states(self) -> Sequence[Reading]:
        """How far behind it is in the partitions held now; a probe of the service."""
        return await reader_states(
            self._stream, self._topic, self._name, self.positions, self._clock
        )

    async def run(self) -> None:
        """Read for ever; a worker of the service. Leases are released on the way out."""
        try:
            await run_together(self._own_forever(), self._read_forever())
        finally:
            await self._ownership.release()

    async def _own_forever(self) -> None:
        backoff = Backoff(self._clock, max_s=self._leases.ttl_s / 3)
        while True:
            try:
                for taken in await self._ownership.refresh():
                    await self._report(taken, force=True)
            except TRANSIENT as error:
                _log.warning(
                    "ownership_not_refreshed",
                    reader=self._name,
                    topic=self._topic.name,
                    reason=error.reason,
                    detail=str(error),
                )
                await backoff.pause()
            else:
                backoff.reset()
                await self._clock.sleep(self._leases.ttl_s / 3)

    async def _read_forever(self) -> None:
        backoff = Backoff(self._clock)
        while True:
            try:
                await self._ownership.gained()
                await self._read_once()
                backoff.reset()
            except TRANSIENT as error:
                _log.warning(
                    "read_failed", reader=self._name, topic=self._topic.name, reason=error.reason
                )
                await backoff.pause()

    async def _read_once(self) -> None:
        owned = self._ownership.owned
        for held in owned.values():
            if await self._history.look(held):
                await self._report(held, force=True)
        found = await self._stream.read(
            {partition: held.position for partition, held in owned.items()},
            self._topic.name,
            count=self._count,
            max_bytes=self._max_bytes,
            block_ms=self._block_ms,
        )
        for partition, entries in found.items():
            try:
                await self._consume(owned[partition], entries)
            except LeaseLost:
                self._ownership.forget(owned[partition])
        for held in owned.values():
            await self._report(held)

    async def _consume(self, owned: Owned, entries: Sequence[Entry]) -> None:
        if self._topic.feed:
            entries = await self._without_gap(owned, entries)
        if not entries:
            return
        started = self._clock.monotonic()
        messages = sum(entry.count for entry in entries)
        with span_from(
            f"process {self._topic.name}",
            links=(entry.trace for entry in entries),
            attributes=semconv.processing(self._topic.name, owned.partition, self._name, messages),
        ):
            failpoint("reader.before_apply")
            await self._apply(owned, entries)
            failpoint("reader.after_apply")
            # Inside the span: a metric's exemplar names its trace.
            self._metrics.handled(messages, self._clock.monotonic() - started)
            if not self._topic.feed:
                # The server gave the id when it took the entry: milliseconds of its clock.
                age_ms = self._clock.now_ms() - split_id(entries[-1].id)[0]
                self._metrics.lag(max(0.0, age_ms / 1000))

    async def _without_gap(self, owned: Owned, entries: Sequence[Entry]) -> Sequence[Entry]:
        dense = dense_prefix(entries, owned.position)
        if dense:
            return dense
        after, before = split_id(owned.position)[0], entries[0].sequence
        _log.warning(
            "feed_gap", reader=self._name, topic=self._topic.name, after=after, before=before
        )
        # A relay may be putting a lost stream together again right now.
        await self._clock.sleep(_GAP_WAIT_S)
        last = join_id(before - 1)
        again = await self._stream.range(
            self._topic.name, owned.partition, join_id(after + 1), last, self._count
        )
        if dense := dense_prefix(again, owned.position):
            return dense
        healed = await self._heal(owned.partition, after, before) if self._heal else []
        check_healed(healed, self._topic.name, after, before)
        return healed

    async def _report(self, owned: Owned, *, force: bool = False) -> None:
        """Tell the stream what is committed, once a second at most."""
        position, at = self._reported.get(owned.partition, ("", float("-inf")))
        now = self._clock.monotonic()
        # Again after a while also without news: the server may have lost what it was told.
        due_s = _REPORT_S if position != owned.position else _REPORT_AGAIN_S
        if not force and now - at < due_s:
            return
        await self._stream.report_position(
            self._topic.name, owned.partition, self._name, owned.position
        )
        self._reported[owned.partition] = (owned.position, now)
