"""Reads the requests of Ingest: large ones as columns, the others as messages."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from siyu_collect.domain.column_sifting import OddEvents
from siyu_collect.domain.columns.columns import Columns

MIN_BYTES: Final = 49_152
"""A smaller request is read faster as a message."""


@dataclass(frozen=True, slots=True)
class ColumnRequest:
    """A request whose plain events stayed bytes."""

    columns: Columns
    odd: OddEvents

    @property
    def project_id(self) -> str:
        """The project of the request."""
        return self.columns.project_id


def request_reader(
    message: type[Any], read_columns: Callable[[bytes], Columns | None]
) -> Callable[[bytes], Any]:
    """Makes the request of its bytes: a ColumnRequest where that is faster, else the message.

    Raises DecodeError for the same bytes as the message's own parser.
    """

    def read(raw: bytes) -> Any:
        columns = read_columns(raw) if len(raw) >= MIN_BYTES else None
        if columns is None:
            return message.FromString(raw)
        return ColumnRequest(columns, read_odd(message, columns))

    return read


def read_odd(message: type[Any], columns: Columns) -> OddEvents:
    """The events that are not plain, as messages. Raises DecodeError if one is none."""
    odd = columns.odd()
    if not odd:
        return {}
    request = message.FromString(columns.request_of(odd))
    # Fields that this version does not know would pass unjudged to readers that may.
    request.DiscardUnknownFields()
    return dict(zip(odd, request.events, strict=True))
