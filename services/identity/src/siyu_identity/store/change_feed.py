"""The numbered changes, read back from the outbox."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

from siyu_identity.app.ports import FeedPage
from siyu_identity.store.pulse import Pulse
from siyu_kit.errors import DeadlineExceeded, PreconditionFailed
from siyu_kit.sql import feed
from siyu_kit.sql.engine import Database
from siyu_kit.sql.feed import Feed
from siyu_kit.sql.relay import OutboxRelay
from siyu_kit.stream.topics import IDENTITY

_FEED: Final = Feed(IDENTITY.name)
_SCAN: Final = 1_000
_SCANS: Final = 10
_NUMBERED_WITHIN_S: Final = 1.0
_LOOK_S: Final = 0.25
_LOOK_SOON_S: Final = 0.02
_SOON: Final = 10


class SqlChangeFeed:
    """Answers from the outbox, and tells when it is worth asking again."""

    def __init__(self, database: Database, relay: OutboxRelay, pulse: Pulse) -> None:
        self._database = database
        self._relay = relay
        self._pulse = pulse
        self._closed = False

    async def page(self, project_id: str, after: int, limit: int) -> FeedPage:
        found: list[tuple[int, bytes]] = []
        seen = after
        async with self._database.session() as session:
            for _ in range(_SCANS):
                rows = await feed.rows_after(session, _FEED, seen, _SCAN)
                if not rows:
                    await self._check_not_beyond(seen, (await feed.head(session, _FEED)).sequence)
                    return FeedPage(found, seen, more=False)
                if rows[0].sequence != seen + 1:
                    raise _expired(after)
                for row in rows:
                    if row.project_id == project_id:
                        if len(found) == limit:
                            return FeedPage(found, seen, more=True)
                        found.append((row.sequence, row.payload))
                    seen = row.sequence
                if len(rows) < _SCAN:
                    return FeedPage(found, seen, more=False)
        return FeedPage(found, seen, more=True)

    async def sequence_of(self, rows: Sequence[int]) -> int:
        if not rows:
            return 0
        try:
            return await self._relay.assigned(rows, _NUMBERED_WITHIN_S)
        except DeadlineExceeded:
            return 0

    async def arrivals(self) -> AsyncIterator[None]:
        soon = 0
        while not self._closed:
            yield
            # A commit is numbered a moment later, so look a few times.
            beat = await self._pulse.wait(_LOOK_SOON_S if soon else _LOOK_S)
            soon = _SOON if beat else max(0, soon - 1)

    async def close(self) -> None:
        """End every wait: the service stops."""
        self._closed = True
        self._pulse.beat()
        await asyncio.sleep(0)

    async def _check_not_beyond(self, seen: int, head: int) -> None:
        if seen < head:
            raise _expired(seen)


def _expired(after: int) -> PreconditionFailed:
    return PreconditionFailed(
        "CHANGES_EXPIRED",
        "changes after this sequence are no longer kept; read the present map instead",
        after_sequence=str(after),
    )
