"""What is told about a send: touch_* events, on their way back into the stream of events."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from siyu_touch.domain.vocabulary import SendState

NAMES = {
    SendState.ACCEPTED: "touch_sent",
    SendState.REFUSED: "touch_refused",
    SendState.DELIVERED: "touch_delivered",
    SendState.READ: "touch_read",
    SendState.CLICKED: "touch_clicked",
    SendState.FAILED: "touch_failed",
}
"""States that are told, and the events' names."""


@dataclass(frozen=True)
class TouchEvent:
    """One thing that happened to a send; ``event_time_ms`` is milliseconds UTC."""

    send_key: str
    state: int
    person_no: int
    campaign_id: str
    channel: str
    gate: str
    reason: str
    event_time_ms: int

    @property
    def name(self) -> str:
        """Name of the event."""
        return NAMES[SendState(self.state)]

    @property
    def message_id(self) -> str:
        """The same for a repetition, so that the store drops it."""
        return f"{self.send_key}:{SendState(self.state).name.lower()}"


def to_payload(events: Iterable[TouchEvent]) -> bytes:
    """Events as one row of the outbox."""
    return json.dumps([asdict(event) for event in events], separators=(",", ":")).encode()


def from_payload(payload: bytes) -> list[TouchEvent]:
    """What ``to_payload`` wrote."""
    return [TouchEvent(**row) for row in json.loads(payload)]
