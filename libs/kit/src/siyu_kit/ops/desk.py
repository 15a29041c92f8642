"""The desk of dead letters: a steward looks, mends, lets them be processed again, or gives up."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from siyu_kit.errors import DomainError, InternalError, NotFound
from siyu_kit.log import get_logger
from siyu_kit.ops import content
from siyu_kit.projects import ALL_PROJECTS
from siyu_kit.sql.engine import Database
from siyu_kit.stream import dead_letter_changes, dead_letters
from siyu_kit.stream.dead_letter_changes import Change, Note
from siyu_kit.stream.dead_letter_limit import DeadLetterLimit
from siyu_kit.stream.dead_letters import DeadLetter, State
from siyu_kit.stream.replay import Replay, closed

_log = get_logger(__name__)

MAX_ID: Final = 2**63 - 1
"""The highest number of a dead letter."""


@dataclass(frozen=True, slots=True)
class ReaderOps:
    """What the desk knows of a reader: how to replay, the message in its entries, its cap."""

    replay: Replay
    message: type[Message]
    limit: DeadLetterLimit

    def from_json(self, text: str) -> bytes:
        """The payload that a JSON text states."""
        try:
            return json_format.Parse(text, self.message()).SerializeToString()
        except json_format.ParseError:
            raise content.unreadable("payload_json") from None

    def as_json(self, payload: bytes) -> str:
        """A payload for people; empty when it cannot be read."""
        try:
            parsed = self.message.FromString(payload)
        except DecodeError:
            return ""
        return json_format.MessageToJson(parsed, preserving_proto_field_name=True, indent=1)


Failure = tuple[int, DomainError]
"""Position among the letters asked for, and why."""


class DeadLetterDesk:
    """Works on the dead letters of one service; ``readers`` by (reader, topic)."""

    def __init__(self, database: Database, readers: Mapping[tuple[str, str], ReaderOps]) -> None:
        self._database = database
        self.readers = readers

    async def letters(
        self, project_id: str, reader: str, state: State, after_id: int, limit: int
    ) -> list[DeadLetter]:
        """Letters of a project, or of all."""
        async with self._database.session() as session:
            return await dead_letters.list_letters(
                session,
                state=state,
                project_id=None if project_id == ALL_PROJECTS else project_id,
                reader=reader or None,
                after_id=after_id,
                limit=limit,
            )

    async def get(self, project_id: str, letter_id: int) -> tuple[DeadLetter, list[Change]]:
        """A letter and its changes. Raises ``NotFound``, for another project's too."""
        async with self._database.session() as session:
            # The contract's numbers are unsigned, the database's are not.
            numbered = letter_id <= MAX_ID
            found = await dead_letters.find(session, letter_id) if numbered else None
            if found is None or project_id not in {ALL_PROJECTS, found.project_id}:
                raise NotFound(
                    "DEAD_LETTER_NOT_FOUND",
                    "no dead letter has this number",
                    dead_letter_id=str(letter_id),
                )
            return found, await dead_letter_changes.of(session, letter_id)

    async def fix(self, letter: DeadLetter, payload: bytes, note: Note) -> None:
        """Replace the content; somebody else replays it.

        Raises ``InvalidInput`` for what ``content.read`` refuses, ``PreconditionFailed`` when
        closed. A letter without a project is in reach of callers of all projects only (``get``).
        """
        message = self.ops_of(letter.reader, letter.topic).message
        count = content.read(message, payload, letter.project_id)
        async with self._database.transaction() as session:
            if not await dead_letters.replace_payload(session, letter.id, payload, count):
                raise closed(letter.id)
            await dead_letter_changes.add(
                session, letter.id, dead_letters.FIX, note, letter.entry.payload
            )

    async def replay(self, letters: Mapping[int, DeadLetter], note: Note) -> list[Failure]:
        """Process each by itself, in order of their positions; returns those that failed."""
        failures: list[Failure] = []
        for index, letter in letters.items():
            try:
                await self._replay(letter, note)
            except DomainError as error:
                failures.append((index, error))
            except Exception as error:  # noqa: BLE001 - one bad letter must not stop the others
                _log.exception("replay_failed", dead_letter=letter.id)
                failures.append((index, InternalError("INTERNAL", type(error).__name__)))
        return failures

    async def _replay(self, letter: DeadLetter, note: Note) -> None:
        if letter.state is not State.OPEN:
            raise closed(letter.id)
        await self.ops_of(letter.reader, letter.topic).replay(letter, note)

    async def discard(self, letters: Mapping[int, DeadLetter], note: Note) -> list[Failure]:
        """Give each up; returns those that were closed already."""
        failures: list[Failure] = []
        for index, letter in letters.items():
            async with self._database.transaction() as session:
                if await dead_letters.close(session, letter.id, State.DISCARDED):
                    await dead_letter_changes.add(session, letter.id, "discard", note)
                else:
                    failures.append((index, closed(letter.id)))
        return failures

    async def open_letters(self, reader: str, topic: str) -> int:
        """How many wait."""
        async with self._database.session() as session:
            return await dead_letters.count_open(session, reader, topic)

    def ops_of(self, reader: str, topic: str) -> ReaderOps:
        """What is known of a reader; raises ``NotFound``."""
        found = self.readers.get((reader, topic))
        if found is None:
            raise NotFound(
                "READER_UNKNOWN", "no such reader runs in this service", reader=reader, topic=topic
            )
        return found
