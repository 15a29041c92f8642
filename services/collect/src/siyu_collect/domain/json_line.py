"""One line of an import: our own JSON form of an event (docs/import.md)."""

from collections.abc import Mapping
from typing import Any, Final

from siyu_collect.domain.json_properties import EventFields, typed
from siyu_collect.domain.vocabulary import AUTHENTICATED, KIND_OF
from siyu_kit.errors import InvalidInput

FIELDS: Final = frozenset(
    {
        "message_id",
        "type",
        "ids",
        "event",
        "time",
        "properties",
        "context",
        "authenticated",
    }
)
_MAX_INT64: Final = (1 << 63) - 1


def fields_of(line: Any) -> EventFields:
    """The event that a line states; raises InvalidInput naming the field."""
    if type(line) is not dict:
        raise _refused("line", "a line is a JSON object")
    if not FIELDS.issuperset(line):
        unknown = next(iter(line.keys() - FIELDS))
        raise _refused(unknown[:100], "the line has a field that is not known")
    kind = KIND_OF.get(_text(line, "type"))
    if kind is None:
        raise InvalidInput("KIND_INVALID", "the type of the line is not known", field="type")
    ids = line.get("ids")
    if type(ids) is not dict:
        raise _refused("ids", "ids is an object of type and value")
    fields: EventFields = {
        "message_id": _text(line, "message_id"),
        "ids": _identifiers(ids),
        "kind": kind,
        "name": _text(line, "event"),
        "event_time_ms": _time(line),
    }
    typed(_object(line, "properties"), fields)
    context = _object(line, "context")
    if context:
        fields["context"] = _texts(context)
    if is_authenticated(line):
        fields["evidence_class"] = AUTHENTICATED
    return fields


def is_authenticated(line: Mapping[str, Any]) -> bool:
    """Whether the line says that its identifiers were proven to belong together.

    Raises InvalidInput for anything but true, false and null: a text "false" must prove nothing.
    """
    value = line.get("authenticated")
    if value is not None and type(value) is not bool:
        raise _refused("authenticated", "the field is true or false")
    return value is True


def _text(line: Mapping[str, Any], name: str) -> str:
    value = line.get(name, "")
    if type(value) is not str:
        raise _refused(name, "the field is a text")
    return value


def _time(line: Mapping[str, Any]) -> int:
    value = line.get("time", 0)
    if type(value) is not int or abs(value) > _MAX_INT64:
        raise _refused("time", "time is a whole number of milliseconds")
    return value


def _identifiers(ids: Mapping[str, Any]) -> list[tuple[str, str]]:
    for name, value in ids.items():
        if type(value) is not str:
            raise _refused(f"ids.{name[:64]}", "an identifier is a text")
    return list(ids.items())


def _object(line: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An object that may be left out; null is the same."""
    value = line.get(name)
    if value is None:
        return {}
    if type(value) is not dict:
        raise _refused(name, "the field is an object")
    return value


def _texts(context: dict[str, Any]) -> dict[str, str]:
    for name, value in context.items():
        if type(value) is not str:
            raise _refused(f"context.{name[:100]}", "a context value is a text")
    return context


def _refused(field: str, problem: str) -> InvalidInput:
    return InvalidInput("RECORD_INVALID", problem, field=field)
