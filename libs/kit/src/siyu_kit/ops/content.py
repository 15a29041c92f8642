"""What a steward may put in place of a dead letter's content: no more than a door lets in."""

from typing import Any, Final

from google.protobuf.message import DecodeError, Message

from siyu.event.v1.event_pb2 import Event
from siyu.type.v1.identifier_pb2 import EVIDENCE_CLASS_INFERRED, EVIDENCE_CLASS_STEWARD
from siyu_kit.errors import InvalidInput
from siyu_kit.projects import PROJECT

_FORBIDDEN: Final = (EVIDENCE_CLASS_STEWARD, EVIDENCE_CLASS_INFERRED)


def read(message: type[Message], payload: bytes, project_id: str) -> int:
    """Messages in a payload for a letter of this project (empty: it is not known).

    Raises ``InvalidInput`` for a payload that the reader cannot read, that is not of the letter's
    project, or that states evidence that no sender may state.
    """
    try:
        batch: Any = message.FromString(payload)
    except DecodeError:
        raise unreadable("payload") from None
    [field] = [f for f in message.DESCRIPTOR.fields if f.is_repeated and f.message_type]
    items = getattr(batch, field.name)
    if not items:
        raise unreadable("payload")
    # A batch of events names the project in each of them, one of a feed's changes once.
    of_batch = "project_id" in message.DESCRIPTOR.fields_by_name
    projects = {batch.project_id} if of_batch else {item.project_id for item in items}
    expected = project_id or min(projects)
    if projects != {expected} or PROJECT.fullmatch(expected) is None:
        raise _refused("the payload is not of the dead letter's project, or of more than one")
    if field.message_type is Event.DESCRIPTOR:
        for event in items:
            _check_evidence(event)
    return len(items)


def _check_evidence(event: Event) -> None:
    """By hand and by inference nothing is linked without a second person: identity sees to it."""
    if event.evidence_class in _FORBIDDEN:
        raise _refused("an event may not claim this class of evidence")


def unreadable(field: str) -> InvalidInput:
    """The refusal of what the reader cannot read."""
    return InvalidInput(
        "PAYLOAD_UNREADABLE", "the payload is not a message that the reader reads", field=field
    )


def _refused(why: str) -> InvalidInput:
    return InvalidInput("PAYLOAD_FORBIDDEN", why, field="payload")
