"""Bound parameters: what a caller wrote reaches the engine as a value, never as text.

A number in a statement is the compiler's own; everything else goes through a ``Binder`` and shows
in the text as ``{p0:Type}`` alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from siyu_analytics.domain.filters import EventFilter
from siyu_analytics.domain.windows import Span


@dataclass(frozen=True, slots=True)
class Basis:
    """What an answer is computed on."""

    project_id: str
    as_of_ms: int
    """Events and trait values after this event time are not seen."""
    zone: str
    batch_no: int
    """Batches after this one are not seen."""
    profile_sequence: int
    """Trait values after this one are not seen."""
    person: str
    """SQL: the person number of the column ``ident_no``."""
    population: str
    """SQL: a subquery in parentheses with the column ``person_no``."""
    keeps: object = None
    """What that SQL rests on stays as long as this is held."""
    only_person: int | None = None
    """Nobody else is seen; None: everybody is."""
    only_text: frozenset[str] = frozenset()
    """Properties that no event has but as text; makes statements cheaper, and no answer another."""


class Query(NamedTuple):
    """A statement and its values."""

    sql: str
    parameters: dict[str, object]


class Binder:
    """Collects the values of one statement; equal values share a name."""

    def __init__(self, basis: Basis) -> None:
        self.basis = basis
        self.scans: list[tuple[tuple[EventFilter, ...] | None, Span]] = []
        """What the statement reads of the events; None: all of the span."""
        self.any_typed: set[str] = set()
        """Properties that the statement takes as they come, of whatever type."""
        self._names: dict[tuple[str, object], str] = {}
        self.parameters: dict[str, object] = {
            "project_id": basis.project_id,
            "batch_no": basis.batch_no,
        }

    @property
    def only_person(self) -> int | None:
        """The one person whom all that is compiled is restricted to; None: nobody is left out."""
        return self.basis.only_person

    def bind(self, value: object, kind: str) -> str:
        """The placeholder of a value of an engine type."""
        key = (kind, tuple(value) if isinstance(value, list) else value)
        name = self._names.setdefault(key, f"p{len(self._names)}")
        self.parameters[name] = value
        return f"{{{name}:{kind}}}"

    def text(self, value: str) -> str:
        """A string."""
        return self.bind(value, "String")

    def texts(self, values: Sequence[str]) -> str:
        """An array of strings."""
        return self.bind(list(values), "Array(String)")

    def whole(self, value: int) -> str:
        """A signed 64-bit number."""
        return self.bind(value, "Int64")

    def number(self, value: int) -> str:
        """A person's or identifier's number."""
        return self.bind(value, "UInt32")

    def time(self, time_ms: int) -> str:
        """A point in time, milliseconds UTC."""
        return f"fromUnixTimestamp64Milli({self.whole(time_ms)}, 'UTC')"

    def query(self, sql: str) -> Query:
        """The finished statement."""
        return Query(sql, self.parameters)
