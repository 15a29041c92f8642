"""The profile feed's sequence, as far as it is known soon."""

from collections.abc import Sequence

from siyu_kit.errors import DeadlineExceeded
from siyu_kit.sql.relay import OutboxRelay


class RelayedFeed:
    """``ports.Feed`` over the relay of this process's outbox."""

    def __init__(self, relay: OutboxRelay, wait_s: float = 1.0) -> None:
        self._relay = relay
        self._wait_s = wait_s

    async def assigned(self, outbox_rows: Sequence[int]) -> int:
        try:
            return await self._relay.assigned(outbox_rows, self._wait_s)
        except DeadlineExceeded:
            return 0  # stored all the same; the contract says 0 for "not yet known"
