"""Follows the identity feed: persons whose identifiers moved are folded again."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

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
        unit, touched = self._unit_on(session), defaultdict[str, set[int]](set)
        for project_id, found in _stretches(map(_parsed, entries)):
            touched[project_id] |= await unit.move(project_id, found)
        for project_id, person_nos in touched.items():
            await unit.refold(project_id, person_nos)


def _stretches(
    batches: Iterable[feed_pb.IdentityChangeBatch],
) -> Iterator[tuple[str, list[Move]]]:
    """Moves by project, many batches at once; where somebody parts, what was before comes first."""
    waiting: dict[str, list[Move]] = {}
    for batch in batches:
        moves = [_move(change, batch) for change in batch.changes]
        if any(move.parted for move in moves):
            yield batch.project_id, waiting.pop(batch.project_id, [])
            yield batch.project_id, moves
        else:
            waiting.setdefault(batch.project_id, []).extend(moves)
    yield from waiting.items()


def _move(change: feed_pb.IdentityChange, batch: feed_pb.IdentityChangeBatch) -> Move:
    """A move; who was with others only until more evidence came does not part from them."""
    return Move(
        change.ident_no,
        change.from_person_no,
        change.person_no,
        change.person_id,
        parted=batch.by_hand and change.kind == feed_pb.IDENTITY_CHANGE_KIND_SPLIT,
        commit_time_ms=batch.commit_time_ms,
    )


def _parsed(entry: Entry) -> feed_pb.IdentityChangeBatch:
    try:
        return feed_pb.IdentityChangeBatch.FromString(entry.payload)
    except DecodeError as error:
        raise InvalidMessage("CHANGE_UNREADABLE", str(error), entry.id) from error
