"""Commit the effect of a batch, the position and the check of the lease together.

A batch with an entry that cannot be processed is cut until that entry stands alone; it goes to
the dead letters, everything around it is processed in order.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit.failpoints import failpoint
from siyu_kit.log import get_logger
from siyu_kit.sql import positions
from siyu_kit.sql.engine import Database
from siyu_kit.sql.lease import fence
from siyu_kit.stream import dead_letters
from siyu_kit.stream.dead_letter_limit import DeadLetterLimit
from siyu_kit.stream.ownership import Owned
from siyu_kit.stream.poison import poison_reason
from siyu_kit.stream.port import Entry, InvalidMessage

_log = get_logger(__name__)

Handle = Callable[[AsyncSession, int, Sequence[Entry]], Awaitable[None]]
"""(session of the committing transaction, partition, entries in order).

May run again after a rollback. Effects belong in the session; others must be idempotent.
"""


class Apply(Protocol):
    """Process a batch and move ``owned.position`` to where it is committed."""

    async def __call__(self, owned: Owned, entries: Sequence[Entry]) -> None:
        """Raises ``LeaseLost`` when the partition is another's by now."""
        ...


class TransactionalApply:
    """The usual way: everything in one transaction of the reader's own database.

    ``kinds`` is a mask of what the handler cares for; other entries are passed over unread
    (0: it gets everything).
    """

    def __init__(
        self,
        database: Database,
        reader: str,
        topic: str,
        handle: Handle,
        *,
        kinds: int,
        limit: DeadLetterLimit,
        on_dead_letter: Callable[[str], None],
    ) -> None:
        self._database = database
        self._reader = reader
        self._topic = topic
        self._handle = handle
        self._kinds = kinds
        self._limit = limit
        self._on_dead_letter = on_dead_letter

    async def __call__(self, owned: Owned, entries: Sequence[Entry]) -> None:
        try:
            await self._commit(owned, entries)
        except Exception as error:
            reason = poison_reason(error)
            if reason is None:
                raise
            if len(entries) == 1:
                await self._bury(owned, entries[0], reason, str(error))
                return
            guilty = getattr(error, "entry_id", "")
            for part in _cut(entries, guilty):
                await self(owned, part)

    def wants(self, entry: Entry) -> bool:
        """Whether the handler is to see the entry."""
        return not self._kinds or bool(entry.kinds & self._kinds) or bool(entry.damage)

    async def commit_position(self, session: AsyncSession, owned: Owned, after: str) -> None:
        """The end of every transaction here: fence first, or a late comer would see a moved row."""
        await fence(session, owned.lease)
        await positions.move(
            session, self._reader, self._topic, owned.partition, owned.position, after
        )

    async def _commit(self, owned: Owned, entries: Sequence[Entry]) -> None:
        wanted = [entry for entry in entries if self.wants(entry)]
        for entry in wanted:
            if entry.damage:
                raise InvalidMessage("DAMAGED_ENTRY", entry.damage, entry.id)
        async with self._database.transaction() as session:
            if wanted:
                await self._handle(session, owned.partition, wanted)
            failpoint("apply.after_handle")
            await self.commit_position(session, owned, entries[-1].id)
            failpoint("apply.before_commit")
        failpoint("apply.after_commit")
        owned.position = entries[-1].id
        self._limit.passed(len(entries))

    async def _bury(self, owned: Owned, entry: Entry, reason: str, message: str) -> None:
        self._limit.admit()
        async with self._database.transaction() as session:
            await dead_letters.record(
                session,
                reader=self._reader,
                topic=self._topic,
                partition=owned.partition,
                entry=entry,
                reason=reason,
                message=message,
            )
            await self.commit_position(session, owned, entry.id)
            failpoint("apply.bury_before_commit")
        failpoint("apply.bury_after_commit")
        owned.position = entry.id
        self._limit.buried()
        self._on_dead_letter(reason)
        _log.error(
            "entry_dead_lettered",
            reader=self._reader,
            topic=self._topic,
            partition=owned.partition,
            entry=entry.id,
            reason=reason,
        )


def _cut(entries: Sequence[Entry], guilty: str) -> list[Sequence[Entry]]:
    """Around the guilty entry when it is known, else in halves; no part is empty."""
    at = next((i for i, entry in enumerate(entries) if entry.id == guilty), None)
    if at is None:
        middle = len(entries) // 2
        return [entries[:middle], entries[middle:]]
    parts = (entries[:at], entries[at : at + 1], entries[at + 1 :])
    return [part for part in parts if part]
