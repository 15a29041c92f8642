"""Fields read from a JSON form, as the event of the contract."""

from siyu.event.v1.event_pb2 import Event
from siyu_collect.domain.json_properties import EventFields
from siyu_collect.domain.records import invalid
from siyu_kit.errors import InvalidInput

_SCALARS = (
    "message_id",
    "name",
    "kind",
    "event_time_ms",
    "client_time_ms",
    "sent_time_ms",
    "evidence_class",
)
_MAPS = ("string_properties", "number_properties", "bool_properties", "time_properties", "context")


def event_of(fields: EventFields) -> Event:
    """The event of these fields.

    Raises InvalidInput for what a message cannot hold: a number over 64 bits, half of a
    surrogate pair.
    """
    # Filled field by field: the constructor's keywords take twice as long, and imports are large.
    event = Event()
    name = ""
    try:
        for name in _SCALARS:
            if name in fields:
                setattr(event, name, fields[name])
        ids = event.ids
        for identifier_type, value in fields["ids"]:
            name = "ids"
            ids.add(type=identifier_type, value=value)
        for name in _MAPS:
            if name in fields:
                target = getattr(event, name)
                for key, item in fields[name].items():
                    target[key] = item
        name = "properties"
        for key, texts in fields.get("list_properties", {}).items():
            event.list_properties[key].values.extend(texts)
    except (ValueError, TypeError) as error:
        raise _refused(name, error) from None
    return event


def _refused(field: str, error: Exception) -> InvalidInput:
    problem = "is not valid Unicode" if isinstance(error, UnicodeError) else "is out of range"
    return invalid(field.replace("_properties", "properties"), f"the field {problem}")
