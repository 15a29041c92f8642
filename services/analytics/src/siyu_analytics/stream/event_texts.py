"""Reads entries event by event, where something about them is wrong."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet

from siyu.event.v1.event_pb2 import Event, EventBatch
from siyu_analytics.app.sink_ports import Letter
from siyu_analytics.domain.event_rules import TRACK, flaw
from siyu_kit.stream.port import Entry


class ProtobufEventTexts:
    """``EventTexts``."""

    def unsound(self, entry: Entry) -> list[Letter]:
        return _letters(entry, "EVENT_UNSOUND", _flaw)

    def of_subjects(self, entry: Entry, refused: AbstractSet[tuple[str, str, str]]) -> list[Letter]:
        def refusal(event: Event) -> str | None:
            if event.kind != TRACK or _flaw(event) is not None:
                return None  # an event has one letter at most
            subject = (event.project_id, event.ids[0].type, event.ids[0].value)
            return "its first identifier is refused a number" if subject in refused else None

        return _letters(entry, "IDENTIFIER_REFUSED", refusal)


def _flaw(event: Event) -> str | None:
    times = (event.event_time_ms, event.received_time_ms)
    return flaw(event.kind, event.project_id, event.ids, *times)


def _letters(entry: Entry, reason: str, problem_of: Callable[[Event], str | None]) -> list[Letter]:
    letters = []
    for event in EventBatch.FromString(entry.payload).events:
        problem = problem_of(event)
        if problem is not None:
            alone = EventBatch(events=[event]).SerializeToString()
            letters.append(Letter(entry, reason, problem, event.project_id, alone))
    return letters
