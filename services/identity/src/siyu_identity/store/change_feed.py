"""The numbered changes, read back from the outbox."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

from siyu_identity.app.ports import FeedPage
from siyu_identity.store.pulse import Pulse
from siyu_kit.errors import DeadlineExceeded
from siyu_kit.sql.engine import Database
from siyu_kit.sql.feed import Feed
from siyu_kit.sql.feed_page import page_after
from siyu_kit.sql.relay import OutboxRelay
from siyu_kit.stream.topics import IDENTITY

_FEED: Final = Feed(IDENTITY.name)
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
        async with self._database.session() as session:
            page = await page_after(session, _FEED, project_id, after, limit)
        return FeedPage(page.rows, page.next_sequence, page.more)

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
