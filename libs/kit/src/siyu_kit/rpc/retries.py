"""When a refused call may be repeated, told to gRPC clients in any language.

gRPC's own retries know nothing of RetryInfo: they wait as long as this trailer says, count against
the channel's budget, and are made for the methods that its service config names (those whose
contract says that a repeat has the effect of one call).
"""

import time
from typing import Final

from siyu_kit.errors import Conflict, DomainError, QuotaExceeded

PUSHBACK_KEY: Final = "grpc-retry-pushback-ms"
NEVER: Final = "-1"
_WAITED_ALREADY: Final = frozenset({"NOT_FRESH"})
"""Reasons that a server gives only when it has waited for as long as the caller does."""
_LOST_RACES: Final = frozenset({"DATABASE_CONFLICT", "GRAPH_CONTENDED", "PERSONS_MOVED"})
"""Conflicts of transactions that left nothing behind, so that the same call is as good again."""


def pushback(error: BaseException, deadline: float | None) -> str | None:
    """Milliseconds to wait; NEVER when waiting does not help, or takes longer than the caller has.

    None leaves it to the client, which waits a moment. ``deadline`` is on the monotonic clock.
    """
    if isinstance(error, DomainError) and error.reason in _WAITED_ALREADY:
        return NEVER
    if isinstance(error, Conflict) and error.reason not in _LOST_RACES:
        return NEVER  # what the caller acted on is gone: an etag, a version, a run
    if not isinstance(error, QuotaExceeded):
        return None
    if error.retry_after_s <= 0:
        return NEVER
    if deadline is not None and time.monotonic() + error.retry_after_s >= deadline:
        return NEVER
    return str(max(1, round(error.retry_after_s * 1000)))
