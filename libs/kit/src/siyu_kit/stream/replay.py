"""Handle a dead letter again, after what made it fail was repaired."""

from siyu_kit.errors import NotFound
from siyu_kit.sql.engine import Database
from siyu_kit.stream import dead_letters
from siyu_kit.stream.apply import Handle


async def replay(database: Database, dead_letter_id: int, handle: Handle) -> None:
    """Run the handler on the stored entry and close the dead letter in the same transaction.

    Raises ``NotFound`` when it is closed already or never was; an error of the handler leaves it
    open. The entry comes late: handlers are order-free by (event time, message id).
    """
    async with database.transaction() as session:
        found = await dead_letters.list_open(session, after_id=dead_letter_id - 1, limit=1)
        if not found or found[0].id != dead_letter_id:
            raise NotFound("DEAD_LETTER_NOT_FOUND", "no open dead letter has this number")
        await handle(session, found[0].partition, [found[0].entry])
        await dead_letters.mark_replayed(session, dead_letter_id)
