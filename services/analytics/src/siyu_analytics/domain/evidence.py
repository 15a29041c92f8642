"""The events of one person that a question looked at."""

from typing import Final, NamedTuple

from siyu_analytics.domain.binder import Binder, Query
from siyu_analytics.domain.scan import MS, scan

MOST: Final = 100
"""Events that are shown, the latest."""


class Seen(NamedTuple):
    """One of them."""

    name: str
    time_ms: int
    message_id: str


def seen_query(binder: Binder) -> Query | None:
    """Rows of ``event_name``, ``ms`` and ``message_id``, latest first, one more than are shown.

    The binder has compiled the question for one person. None where it reads no events.
    """
    columns = ["toString(name) AS event_name", MS, "message_id"]
    reads = [scan(binder, events, span, columns) for events, span in dict.fromkeys(binder.scans)]
    if not reads:
        return None
    return binder.query(
        f"SELECT DISTINCT event_name, ms, message_id FROM ({' UNION ALL '.join(reads)})"
        f" ORDER BY ms DESC, message_id DESC LIMIT {MOST + 1}"
    )
