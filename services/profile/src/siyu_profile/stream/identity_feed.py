"""Follows the identity feed: persons whose identifiers moved are folded again."""

from collections.abc import Callable, Sequence

from google.protobuf.message import DecodeError
from sqlalchemy.ext.asyncio import AsyncSession

from siyu.event.v1 import identity_change_pb2 as feed_pb
from siyu_kit.stream.port import Entry, InvalidMessage
from siyu_profile.app.ports import Move, ProfileUnit

UnitOn = Callable[[AsyncSession], ProfileUnit]
"""Opens the store's unit on a session whose owner commits."""


class IdentityFeed:
    """Handler of the reader of the identity feed."""

    def __init__(self, unit_on: UnitOn) -> None:
        self._unit_on = unit_on

    async def __call__(
        self, session: AsyncSession, _partition: int, entries: Sequence[Entry]
    ) -> None:
        moves: dict[str, list[Move]] = {}
        for entry in entries:
            batch = _parsed(entry)
            moves.setdefault(batch.project_id, []).extend(
                Move(change.ident_no, change.from_person_no, change.person_no, change.person_id)
                for change in batch.changes
            )
        unit = self._unit_on(session)
        for project_id, found in moves.items():
            await unit.refold(project_id, await unit.move(project_id, found))


def _parsed(entry: Entry) -> feed_pb.IdentityChangeBatch:
    try:
        return feed_pb.IdentityChangeBatch.FromString(entry.payload)
    except DecodeError as error:
        raise InvalidMessage("CHANGE_UNREADABLE", str(error), entry.id) from error
