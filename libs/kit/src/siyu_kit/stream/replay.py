"""Process a dead letter again, after what made it fail was repaired.

It comes late: handlers are order-free by (event time, message id).
"""

import asyncio
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit.errors import PermissionDenied, PreconditionFailed
from siyu_kit.sql.engine import Database
from siyu_kit.stream import dead_letter_changes, dead_letters
from siyu_kit.stream.apply import Handle
from siyu_kit.stream.dead_letter_changes import Note
from siyu_kit.stream.dead_letters import DeadLetter, State
from siyu_kit.stream.ledger import REPLAYED, DoorLedger
from siyu_kit.stream.port import NewEntry, PlacedEntry
from siyu_kit.stream.topics import Kind


class Replay(Protocol):
    """Processes an open dead letter once and closes it."""

    async def __call__(self, letter: DeadLetter, note: Note) -> None:
        """Process it and close it.

        Raises ``PreconditionFailed`` when it is closed by now, ``PermissionDenied`` for who mended
        it last, and what the handler raises.
        """
        ...


class HandleAgain:
    """For a reader whose effects are in the database: effect and closing are one transaction."""

    def __init__(self, database: Database, handle: Handle) -> None:
        self._database = database
        self._handle = handle

    async def __call__(self, letter: DeadLetter, note: Note) -> None:
        async with self._database.transaction() as session:
            standing = await _close(session, letter.id, note)
            await self._handle(session, standing.partition, [standing.entry])


class AppendAgain:
    """For a store that is not the database: the letter goes into the stream once more.

    It closes when the entry is as durable as promised; else ``DependencyDown``, as at a door.
    The row stays locked while its content is appended: nobody mends what is on its way. A crash
    between append and commit leaves the letter open, and replaying it appends it twice: the
    store drops the second as a duplicate, and the ledger knows both.
    """

    def __init__(self, database: Database, ledger: DoorLedger, kinds: Kind) -> None:
        self._database = database
        self._ledger = ledger
        self._kinds = kinds
        self._turn = asyncio.Lock()

    async def __call__(self, letter: DeadLetter, note: Note) -> None:
        # The turn comes first: a ledger takes one append at a time, a row is locked by one.
        async with self._turn, self._database.transaction() as session:
            standing = await _close(session, letter.id, note)
            await self._append(standing)

    async def _append(self, letter: DeadLetter) -> None:
        entry = letter.entry
        again = NewEntry(entry.payload, entry.count, self._kinds, entry.trace, letter.project_id)
        await self._ledger.append(
            [PlacedEntry(letter.topic, letter.partition, again)],
            {(letter.project_id, REPLAYED): entry.count},
        )


async def _close(session: AsyncSession, letter_id: int, note: Note) -> DeadLetter:
    """Close a letter as replayed; returns what it holds now, which may have been mended since.

    Closing locks the row, so its content and who mended it last are settled after it.
    """
    if not await dead_letters.close(session, letter_id, State.REPLAYED):
        raise closed(letter_id)
    fixer = await dead_letter_changes.last_actor(session, letter_id, dead_letters.FIX)
    if fixer == note.actor:  # what one person wrote is not processed before another has agreed
        raise PermissionDenied(
            "FIXER_REPLAYS", "somebody else has to replay what one has mended", subject=fixer
        )
    await dead_letter_changes.add(session, letter_id, "replay", note)
    standing = await dead_letters.find(session, letter_id)
    if standing is None:  # it is locked and was there a moment ago
        raise closed(letter_id)
    return standing


def closed(dead_letter_id: int) -> PreconditionFailed:
    """The refusal of a dead letter that is not open."""
    return PreconditionFailed(
        "DEAD_LETTER_CLOSED",
        "the dead letter was replayed or discarded already",
        dead_letter_id=str(dead_letter_id),
    )
