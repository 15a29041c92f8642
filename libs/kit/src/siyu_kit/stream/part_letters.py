"""Dead letters of parts: an entry is processed, but for some events in it.

What is written here falls under the reader's cap like whole entries, and is counted and logged
like them, once it is committed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit.errors import InvalidInput
from siyu_kit.log import get_logger
from siyu_kit.stream import dead_letters
from siyu_kit.stream.dead_letter_limit import DeadLetterLimit
from siyu_kit.stream.port import Entry

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """What of an entry could not be processed, and why."""

    entry: Entry
    payload: bytes
    project_id: str
    reason: str
    message: str


class PartLetters:
    """Of one reader. Without a limit it is for replaying a letter, which stays open instead."""

    def __init__(
        self,
        reader: str,
        topic: str,
        on_dead_letter: Callable[[str], None],
        limit: DeadLetterLimit | None = None,
    ) -> None:
        self._reader = reader
        self._topic = topic
        self._on_dead_letter = on_dead_letter
        self._limit = limit

    async def record(
        self,
        session: AsyncSession,
        partition: int,
        parts: Sequence[Part],
        *,
        entries: int,
        uncapped: frozenset[str] = frozenset(),
    ) -> None:
        """Write letters in the running transaction; raises ``TooManyDeadLetters``.

        Without a limit nothing is written: ``InvalidInput`` says why the first part is refused.

        ``entries`` came in the batch. An entry counts once, however many of its parts are refused.
        ``uncapped`` reasons are one project's own doing and must not stop the others.
        """
        if not parts:
            return
        if self._limit is None:
            raise InvalidInput(parts[0].reason, parts[0].message)
        limit = self._limit
        capped = [part for part in parts if part.reason not in uncapped]
        spoiled = len({part.entry.id for part in capped})
        if capped:
            limit.admit(spoiled, entries=entries, about=_about(capped[0], partition))
        for part in parts:
            await dead_letters.record(
                session,
                reader=self._reader,
                topic=self._topic,
                partition=partition,
                entry=part.entry,
                reason=part.reason,
                message=part.message,
                project_id=part.project_id,
                payload=part.payload,
            )

        def tell(_session: object) -> None:
            # The entries themselves count as passed.
            limit.buried(spoiled, entries=0)
            for part in parts:
                self._tell(partition, part)

        event.listen(session.sync_session, "after_commit", tell, once=True)

    def _tell(self, partition: int, part: Part) -> None:
        self._on_dead_letter(part.reason)
        _log.error(
            "event_dead_lettered",
            reader=self._reader,
            topic=self._topic,
            partition=partition,
            entry=part.entry.id,
            project_id=part.project_id,
            reason=part.reason,
        )


def _about(part: Part, partition: int) -> str:
    return f"{part.reason} of project {part.project_id}, partition {partition}, {part.entry.id}"
