"""One thing that happened, in the shape in which the simulator tells it."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import islice
from typing import NamedTuple, TypeAlias

import orjson

Value: TypeAlias = str | int | float | bool | list[str]
"""A property's value as JSON knows it; amounts are yuan with two decimals."""

Identifier: TypeAlias = tuple[str, str]
"""An identifier's type and value."""


class Via(StrEnum):
    """The one way on which a source reports while it is live."""

    SENSORS = "sensors"
    SEGMENT = "segment"
    GRPC = "grpc"


class Record(NamedTuple):
    """An event, a profile operation, or a bind of two identifiers."""

    message_id: str
    type: str
    """track, bind, unbind, or profile_ with set, set_once, increment, append or unset."""
    ids: dict[str, str]
    """Identifier type to value, the best rank first: the first one is the subject."""
    event: str
    """The event's name; empty unless the type is track."""
    time: int
    """Milliseconds since 1970, UTC."""
    properties: dict[str, Value]
    authenticated: bool
    """True when the customer proved who they are, as in a login."""
    via: Via

    @property
    def subject(self) -> Identifier:
        """The identifier that the event is attributed to."""
        return next(iter(self.ids.items()))


def import_line(record: Record) -> bytes:
    """Writes a record as one JSON line of an import, newline included."""
    line: dict[str, object] = {
        "message_id": record.message_id,
        "type": record.type,
        "ids": record.ids,
        "time": record.time,
        "properties": record.properties,
    }
    if record.event:
        line["event"] = record.event
    if record.authenticated:
        line["authenticated"] = True
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def import_chunks(records: Iterable[Record], lines: int = 5_000) -> Iterator[bytes]:
    """Yields the records as chunks of at most `lines` whole JSON lines each."""
    rest = iter(records)
    while chunk := b"".join(map(import_line, islice(rest, lines))):
        yield chunk
