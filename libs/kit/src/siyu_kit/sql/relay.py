"""The relay: numbers committed outbox rows and publishes them, in that order, exactly as numbered.

Two loops under one lease. *Assign* gives dense sequences in a transaction fenced by the lease's
epoch; once given, a number never changes. *Publish* sends numbered rows with their number as the
id, which makes repeating harmless, then records how far it is. Killed anywhere, the next holder
continues from the two marks in ``kit_feed``. Numbering does not need the stream, so
``assigned`` answers also while the stream is away.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from siyu_kit.clock import Clock, SystemClock
from siyu_kit.concurrency import Backoff, run_together, wait_for_event
from siyu_kit.errors import Conflict, DataLoss, DeadlineExceeded, DependencyDown, QuotaExceeded
from siyu_kit.failpoints import failpoint
from siyu_kit.log import get_logger
from siyu_kit.sql import feed
from siyu_kit.sql.election import Election
from siyu_kit.sql.engine import Database
from siyu_kit.sql.feed import Feed, FeedHead, FeedRow
from siyu_kit.sql.leader import lead
from siyu_kit.sql.lease import Lease, Leases, fence
from siyu_kit.sql.outbox import Outbox
from siyu_kit.sql.publisher import OutboxPublisher

_log = get_logger(__name__)

RETENTION_MS: Final = 7 * 24 * 3600 * 1000
"""How long published rows stay, to rebuild a lost stream and to answer late readers."""

# How often an idle relay makes sure that the stream still holds what was published.
_LOOK_AT_TAIL_S: Final = 2.0


class OutboxRelay:
    """Relays one topic's partition. Give it the ``Outbox`` the service adds to.

    ``poll_s`` bounds the delay of rows that another process added: those of this process wake
    the relay at once.
    """

    def __init__(
        self,
        database: Database,
        publisher: OutboxPublisher,
        *,
        topic: str,
        outbox: Outbox,
        partition: int = 0,
        leases: Election | None = None,
        batch: int = 500,
        poll_s: float = 0.25,
        tidy_s: float = 30.0,
        retention_ms: int = RETENTION_MS,
        clock: Clock | None = None,
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._feed = Feed(topic, partition)
        self._outbox = outbox
        self._leases: Election = leases or Leases(database)
        self._batch = batch
        self._poll_s = poll_s
        self._tidy_s = tidy_s
        self._retention_ms = retention_ms
        self._clock = clock or SystemClock()
        self._numbered = asyncio.Event()
        self._seen = self._numbered
        self._look_again = 0.0

    async def run(self) -> None:
        """Relay for ever, in whichever process holds the lease; a worker of the service.

        Raises ``DataLoss`` when stream and outbox contradict each other: a person has to look.
        """
        name = f"relay.{self._feed.topic}.{self._feed.partition}"
        await lead(self._leases, name, self._work, self._clock)

    async def assigned(self, row_ids: Sequence[int], timeout_s: float) -> int:
        """Wait until committed rows have their numbers; returns the highest.

        Raises ``DeadlineExceeded`` when that takes too long; the rows stay and will be relayed.
        """
        deadline = self._clock.monotonic() + timeout_s
        self._outbox.committed.set()
        while True:
            numbered = self._numbered
            async with self._database.session() as session:
                sequences = await feed.sequences_of(session, row_ids)
            if len(sequences) == len(set(row_ids)):
                return max(sequences.values())
            left_s = deadline - self._clock.monotonic()
            if left_s <= 0:
                raise DeadlineExceeded("OUTBOX_BEHIND", "the change is stored but not yet numbered")
            # Another process may be the one that numbers, so look again in any case.
            await wait_for_event(numbered, min(left_s, 0.05))

    async def rebuild(self, from_sequence: int = 1) -> int:
        """Publish numbered rows again from ``from_sequence``; returns how many were sent.

        For a stream that was emptied; what stands in it already is left alone.
        """
        after, sent = from_sequence - 1, 0
        while rows := await self._rows_after(after):
            await self._publisher.publish(self._feed, rows)
            after, sent = rows[-1].sequence, sent + len(rows)
        return sent

    async def _work(self, held: Lease) -> None:
        await run_together(
            self._forever(self._assign, held, self._wait_for_commits),
            self._forever(self._publish, held, self._wait_for_numbers),
            self._forever(self._tidy, held, self._wait_to_tidy),
        )

    async def _forever(
        self,
        step: Callable[[Lease], Awaitable[bool]],
        held: Lease,
        wait: Callable[[], Awaitable[None]],
    ) -> None:
        """Repeat a step while it finds work; infrastructure errors are waited out."""
        backoff = Backoff(self._clock)
        while True:
            try:
                if not await step(held):
                    await wait()
                backoff.reset()
            except (DependencyDown, QuotaExceeded, Conflict) as error:
                _log.warning(
                    "relay_step_failed",
                    topic=self._feed.topic,
                    step=step.__name__,
                    reason=error.reason,
                )
                await backoff.pause()

    async def _assign(self, held: Lease) -> bool:
        self._outbox.committed.clear()
        async with self._database.session() as session:
            waiting = await feed.waiting(session, self._feed)
        if not waiting:
            return False
        async with self._database.transaction() as session:
            await feed.assign(session, self._feed, self._batch)
            await fence(session, held)
            failpoint("relay.before_assign_commit")
        failpoint("relay.after_assign")
        numbered, self._numbered = self._numbered, asyncio.Event()
        numbered.set()
        return True

    async def _publish(self, held: Lease) -> bool:
        self._seen = self._numbered  # what is numbered from here on ends the wait after it
        head = await self._head()
        if head.published >= head.sequence and self._clock.monotonic() < self._look_again:
            return False
        self._look_again = self._clock.monotonic() + _LOOK_AT_TAIL_S
        rows = await self._rows_after(await self._delivered())
        if not rows:
            return False
        await self._publisher.publish(self._feed, rows)
        failpoint("relay.after_publish")
        if rows[-1].sequence < head.published:
            self._look_again = 0.0  # a lost end is being put back: go on at once
        async with self._database.transaction() as session:
            await feed.mark_published(session, self._feed, rows[-1].sequence)
            await fence(session, held)
            failpoint("relay.before_mark_commit")
        return True

    async def _delivered(self) -> int:
        """What both sides agree on; below ``published`` when the stream lost entries."""
        # The tail first: what is published has been numbered before, so it can not be ahead.
        tail = await self._publisher.tail(self._feed)
        head = await self._head()
        if tail is None:
            return head.published
        if tail > head.sequence:
            raise DataLoss(
                "STREAM_AHEAD_OF_OUTBOX",
                "the stream holds numbers this database never gave: was it restored?",
                topic=self._feed.topic,
                tail=str(tail),
                sequence=str(head.sequence),
            )
        if tail < head.published:
            _log.warning(
                "stream_lost_entries", topic=self._feed.topic, tail=tail, published=head.published
            )
            failpoint("relay.rebuilding")
        return min(tail, head.published)

    async def _tidy(self, held: Lease) -> bool:
        await self._publisher.tidy(self._feed)
        async with self._database.transaction() as session:
            gone = await feed.prune(session, self._feed, self._retention_ms)
            await fence(session, held)
        return gone > 0

    async def _head(self) -> FeedHead:
        async with self._database.session() as session:
            return await feed.head(session, self._feed)

    async def _rows_after(self, sequence: int) -> list[FeedRow]:
        async with self._database.session() as session:
            return await feed.rows_after(session, self._feed, sequence, self._batch)

    async def _wait_for_commits(self) -> None:
        await wait_for_event(self._outbox.committed, self._poll_s)

    async def _wait_for_numbers(self) -> None:
        # Who holds the lease gives the numbers too, so nobody else's are waited for.
        await wait_for_event(self._seen, _LOOK_AT_TAIL_S)

    async def _wait_to_tidy(self) -> None:
        await self._clock.sleep(self._tidy_s)
