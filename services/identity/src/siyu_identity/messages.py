"""Changes as the feed carries them."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from siyu.event.v1.identity_change_pb2 import IdentityChange, IdentityChangeBatch
from siyu_identity.domain.changes import Change

MAX_CHANGES: Final = 5_000
"""Changes that one message carries at most."""


class FeedMessage(NamedTuple):
    """One message of the feed."""

    payload: bytes
    size: int
    """Changes in it."""


def feed_messages(
    project_id: str, changes: Sequence[Change], commit_ms: int, *, by_hand: bool = False
) -> Iterator[FeedMessage]:
    """The messages that carry the changes of one transaction."""
    for start in range(0, len(changes), MAX_CHANGES):
        part = changes[start : start + MAX_CHANGES]
        batch = IdentityChangeBatch(
            project_id=project_id, commit_time_ms=commit_ms, by_hand=by_hand
        )
        batch.changes.extend(_message(change) for change in part)
        yield FeedMessage(batch.SerializeToString(), len(part))


def _message(change: Change) -> IdentityChange:
    return IdentityChange(
        ident_no=change.ident_no,
        from_person_no=change.from_person_no,
        person_no=change.person_no,
        person_id=change.person_key.hex(),
        kind=change.why.value,  # type: ignore[arg-type]
        identifier_type=change.identifier_type,
    )
