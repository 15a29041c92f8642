"""Dead letters and feed entries as messages of siyu.ops.v1."""

from collections.abc import Iterable, Sequence
from typing import Final

from siyu.ops.v1 import ops_service_pb2 as pb
from siyu_kit.errors import InvalidInput
from siyu_kit.ops.desk import ReaderOps
from siyu_kit.sql.feed import FeedRow
from siyu_kit.stream.dead_letter_changes import Change
from siyu_kit.stream.dead_letters import DeadLetter, State

_STATES: Final = {
    State.OPEN: pb.DEAD_LETTER_STATE_OPEN,
    State.REPLAYED: pb.DEAD_LETTER_STATE_REPLAYED,
    State.DISCARDED: pb.DEAD_LETTER_STATE_DISCARDED,
}


def state_from(value: "pb.DeadLetterState.ValueType") -> State:
    """The state asked for; open when none is."""
    asked = value or pb.DEAD_LETTER_STATE_OPEN
    for state, known in _STATES.items():
        if known == asked:
            return state
    raise InvalidInput("FIELD_INVALID", "the state is not known", field="state")


def dead_letter(letter: DeadLetter) -> pb.DeadLetter:
    """A letter without its content."""
    return pb.DeadLetter(
        dead_letter_id=letter.id,
        project_id=letter.project_id,
        reader=letter.reader,
        topic=letter.topic,
        partition=letter.partition,
        entry_id=letter.entry.id,
        count=letter.entry.count,
        reason=letter.reason,
        message=letter.message,
        created_time_ms=letter.created_ms,
        state=_STATES[letter.state],
        fixed=letter.fixed,
    )


def dead_letter_response(
    letter: DeadLetter, changes: Sequence[Change], ops: ReaderOps | None
) -> pb.GetDeadLetterResponse:
    """A letter with all that is known."""
    return pb.GetDeadLetterResponse(
        dead_letter=dead_letter(letter),
        payload=letter.entry.payload,
        payload_json=ops.as_json(letter.entry.payload) if ops else "",
        changes=[
            pb.DeadLetterChange(
                action=change.action,
                actor=change.actor,
                reason=change.reason,
                time_ms=change.created_ms,
                payload_before=change.payload or b"",
            )
            for change in changes
        ],
    )


def feed_entries(rows: Iterable[FeedRow], max_bytes: int) -> list[pb.FeedEntry]:
    """The rows that fit, at least one."""
    entries: list[pb.FeedEntry] = []
    for row in rows:
        max_bytes -= len(row.payload)
        if entries and max_bytes < 0:
            break
        entries.append(
            pb.FeedEntry(
                sequence=row.sequence,
                payload=row.payload,
                count=row.count,
                kinds=row.kinds,
                trace=row.trace or "",
            )
        )
    return entries
