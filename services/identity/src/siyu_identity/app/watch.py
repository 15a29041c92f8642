"""Follows the feed."""

from collections.abc import AsyncIterator
from typing import Final

from siyu_identity.app.ports import ChangeFeed, FeedPage
from siyu_kit.clock import Clock

CHECKPOINT_S: Final = 10.0
_PAGE: Final = 500


async def watch(
    feed: ChangeFeed, clock: Clock, project_id: str, after: int
) -> AsyncIterator[FeedPage]:
    """Pages as they come; an empty one is a checkpoint, sent at once and every ten seconds.

    Ends when the service stops.
    """
    checkpoint_at = clock.monotonic()
    async for _ in feed.arrivals():
        more = True
        while more:
            page = await feed.page(project_id, after, _PAGE)
            after, more = page.seen, page.more
            if page.rows:
                checkpoint_at = clock.monotonic() + CHECKPOINT_S
                yield page
        if clock.monotonic() >= checkpoint_at:
            checkpoint_at = clock.monotonic() + CHECKPOINT_S
            yield FeedPage((), after, more=False)
