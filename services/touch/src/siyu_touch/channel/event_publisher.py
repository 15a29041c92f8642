"""The relay's way out: rows of the outbox become events at the door."""

from collections.abc import Sequence

from opentelemetry.trace import SpanKind

from siyu_kit.failpoints import failpoint
from siyu_kit.sql.feed import Feed, FeedRow
from siyu_kit.telemetry import span_from
from siyu_touch.app.tell import Teller
from siyu_touch.domain.touch_event import from_payload


class EventPublisher:
    """``OutboxPublisher``: a repeated row gives events with the same message ids."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller

    async def tail(self, of: Feed) -> int | None:  # noqa: ARG002 - the port's
        return None

    async def publish(self, of: Feed, rows: Sequence[FeedRow]) -> None:
        failpoint("touch.before_tell")
        for row in rows:
            # The way back into the stream of events goes on where the row was written.
            with span_from(f"publish {of.topic}", parent=row.trace, kind=SpanKind.PRODUCER):
                await self._teller.tell(row.project_id, from_payload(row.payload))
        failpoint("touch.after_tell")

    async def tidy(self, of: Feed) -> None:  # noqa: ARG002
        return
