"""Pages of one project's rows of a feed: what a feed's owner answers lists from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit.errors import InvalidInput, PreconditionFailed
from siyu_kit.sql import feed
from siyu_kit.sql.feed import Feed

#: Sequences are BIGINT; a request carries 64 bits without a sign.
_LAST: Final = 2**63 - 1
_SCAN: Final = 1_000
#: Rows of other projects are passed over; a page ends after so many scans all the same.
_SCANS: Final = 10


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Sequence and payload of the rows, and the sequence up to which everything was seen."""

    rows: Sequence[tuple[int, bytes]]
    next_sequence: int
    more: bool


def _all(_payload: bytes) -> bool:
    return True


async def page_after(
    session: AsyncSession,
    of: Feed,
    project_id: str,
    after: int,
    limit: int,
    wanted: Callable[[bytes], bool] = _all,
) -> FeedPage:
    """Up to ``limit`` rows of the project with ``sequence > after``, of those that are wanted.

    Raises ``PreconditionFailed`` (CHANGES_EXPIRED) when rows after ``after`` are no longer kept,
    ``InvalidInput`` (FIELD_INVALID) when ``after`` is larger than any sequence can be.
    """
    if after > _LAST:
        raise InvalidInput(
            "FIELD_INVALID", f"a sequence is at most {_LAST}", field="after_sequence"
        )
    found: list[tuple[int, bytes]] = []
    seen = after
    for _ in range(_SCANS):
        rows = await feed.rows_after(session, of, seen, _SCAN)
        if not rows:
            if seen < (await feed.head(session, of)).sequence:
                raise _expired(after)
            return FeedPage(found, seen, more=False)
        if rows[0].sequence != seen + 1:
            raise _expired(after)
        for row in rows:
            if row.project_id == project_id and wanted(row.payload):
                if len(found) == limit:
                    return FeedPage(found, seen, more=True)
                found.append((row.sequence, row.payload))
            seen = row.sequence
        if len(rows) < _SCAN:
            return FeedPage(found, seen, more=False)
    return FeedPage(found, seen, more=True)


def _expired(after: int) -> PreconditionFailed:
    return PreconditionFailed(
        "CHANGES_EXPIRED",
        "changes after this sequence are no longer kept; read the present state instead",
        after_sequence=str(after),
    )
