"""Events as the door puts them on the stream."""

from collections.abc import Iterable

from siyu.event.v1.event_pb2 import EVENT_KIND_TRACK, Event, EventBatch
from siyu.type.v1.identifier_pb2 import Identifier
from siyu_analytics.app.sink_ports import Subject
from siyu_kit.stream.port import NewEntry
from siyu_kit.stream.topics import Kind

DAY_MS = 86_400_000
START_MS = 1_760_000_000_000


def track(
    project: str, number: int, *, name: str = "view", user: int = 1, **fields: object
) -> Event:
    """Event ``number`` of a project; two with the same number are the same message."""
    time_ms = START_MS + number * 1000
    event = Event(
        project_id=project,
        message_id=f"m{number}",
        ids=[Identifier(type="customer_no", value=f"u{user}")],
        kind=EVENT_KIND_TRACK,
        name=name,
        event_time_ms=time_ms,
        client_time_ms=time_ms,
        received_time_ms=time_ms + 5,
    )
    for field, value in fields.items():
        setattr(event, field, value)
    return event


def entry(events: Iterable[Event], kinds: int = Kind.TRACK) -> NewEntry:
    """One entry of the events topic."""
    batch = EventBatch(events=events)
    return NewEntry(batch.SerializeToString(), len(batch.events), kinds)


class FixedNumbers:
    """Gives ``u<n>`` the number n + 1 in every process, and refuses what has another form."""

    def __init__(self) -> None:
        self.asked: list[Subject] = []

    async def assign(self, _project: str, subjects: list[Subject]) -> list[tuple[Subject, int]]:
        """See ``Numbers``."""
        self.asked += subjects
        return [(s, int(s.value[1:]) + 1) for s in subjects if s.value[1:].isdigit()]
