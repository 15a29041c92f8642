"""Conversion from a start to a goal by how often a behaviour was shown, and the turning point."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import sqrt
from typing import Final, NamedTuple

from siyu_analytics.domain.audience import persons_filter
from siyu_analytics.domain.binder import Binder, Query
from siyu_analytics.domain.checks import require
from siyu_analytics.domain.filters import EventFilter, check_event
from siyu_analytics.domain.intervals import Rate, wilson
from siyu_analytics.domain.predicate import event_predicate
from siyu_analytics.domain.scan import MS, scan
from siyu_analytics.domain.scope import Scope, check_scope

_MAX_BOUNDS: Final = 50
DEFAULT_MAX_K: Final = 30
_MAX_K: Final = 1_000


@dataclass(frozen=True, slots=True)
class Definition:
    """A start, a goal and a behaviour; see ``ConversionDefinition`` in the contract."""

    scope: Scope
    start: EventFilter
    goal: EventFilter
    behaviour: EventFilter

    def filled(self, now_ms: int) -> "Definition":
        """With every default in its place."""
        return replace(self, scope=self.scope.filled(now_ms))


def check_definition(definition: Definition) -> None:
    """Refuse a filled definition that is malformed."""
    check_scope(definition.scope, "definition.scope")
    check_event(definition.start, "definition.start")
    check_event(definition.goal, "definition.goal")
    check_event(definition.behaviour, "definition.behaviour")


def check_bounds(bounds: Sequence[int]) -> None:
    """Refuse bounds that make no buckets."""
    require(len(bounds) <= _MAX_BOUNDS, "bounds", f"at most {_MAX_BOUNDS}")
    ascending = all(low < high for low, high in pairwise((0, *bounds)))
    require(ascending, "bounds", "above 0 and ascending")


def check_max_k(max_k: int) -> None:
    """Refuse a greatest threshold out of range."""
    require(1 <= max_k <= _MAX_K, "max_k", f"1 to {_MAX_K}")


class Bucket(NamedTuple):
    """Persons whose count is at least ``from_count`` and below ``to_count`` (0: no bound)."""

    from_count: int
    to_count: int
    persons: int
    converted: int

    @property
    def rate(self) -> Rate:
        """Share that converted, with its interval."""
        return wilson(self.converted, self.persons)


class ConversionCell(NamedTuple):
    """A counted set of persons in a bucket."""

    from_count: int
    to_count: int
    converted: bool


class Tally(NamedTuple):
    """Persons, and those of them who converted, of one number of times."""

    persons: int
    converted: int


def tally_query(binder: Binder, definition: Definition) -> Query:
    """Rows of ``shown`` (number of times), ``persons`` and ``converted``."""
    return binder.query(
        "SELECT shown, count() AS persons, countIf(converts) AS converted"
        f" FROM ({_persons(binder, definition)}) GROUP BY shown ORDER BY shown"
    )


def conversion_members(binder: Binder, definition: Definition, cell: ConversionCell) -> str:
    """A SELECT of the persons of a cell (``person``), from the rows that the numbers come from."""
    where = [f"shown >= {binder.whole(cell.from_count)}"]
    if cell.to_count:
        where.append(f"shown < {binder.whole(cell.to_count)}")
    if cell.converted:
        where.append("converts")
    return f"SELECT person FROM ({_persons(binder, definition)}) WHERE {' AND '.join(where)}"


def _persons(binder: Binder, definition: Definition) -> str:
    """A SELECT of ``person``, ``shown`` and ``converts`` of everybody who started."""
    start, goal, behaviour = definition.start, definition.goal, definition.behaviour
    columns = [
        MS,
        f"{event_predicate(binder, start)} AS starts",
        f"{event_predicate(binder, goal)} AS reaches",
        f"{event_predicate(binder, behaviour)} AS shows",
    ]
    persons = persons_filter(binder, definition.scope.persons)
    rows = scan(binder, [start, goal, behaviour], definition.scope.span, columns, persons)
    return (
        "SELECT person, countIf(shows) AS shown,"
        " countIf(reaches) > 0 AND maxIf(ms, reaches) >= minIf(ms, starts) AS converts"
        f" FROM ({rows}) GROUP BY person HAVING countIf(starts) > 0"
    )


def buckets(tally: Mapping[int, Tally], bounds: Sequence[int]) -> list[Bucket]:
    """The persons split at ascending bounds: 3, 6 means [0,3), [3,6) and [6,∞)."""
    result = []
    for low, high in pairwise((0, *bounds, 0)):
        inside = [
            item for shown, item in tally.items() if low <= shown and (not high or shown < high)
        ]
        result.append(
            Bucket(low, high, sum(i.persons for i in inside), sum(i.converted for i in inside))
        )
    return result


class Candidate(NamedTuple):
    """How well "at least k times" tells those who convert from those who do not."""

    k: int
    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def phi(self) -> float:
        """Correlation of the two yes-or-no questions; 0 where one has a single answer."""
        tp, fp, fn, tn = self[1:]
        product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
        return (tp * tn - fp * fn) / sqrt(product) if product else 0.0


def candidates(tally: Mapping[int, Tally], max_k: int) -> list[Candidate]:
    """The thresholds from 1 on."""
    everybody = sum(item.persons for item in tally.values())
    converted = sum(item.converted for item in tally.values())
    result = []
    for k in range(1, max_k + 1):
        often = [item for shown, item in tally.items() if shown >= k]
        hits = sum(item.converted for item in often)
        misses = sum(item.persons for item in often) - hits
        rest = everybody - converted - misses
        result.append(Candidate(k, hits, misses, converted - hits, rest))
    return result


def turning_point(found: Sequence[Candidate]) -> int:
    """The k with the greatest phi, the smallest of equals; 0 if there is no candidate."""
    return max(found, key=lambda item: (item.phi, -item.k)).k if found else 0
