"""Which maps hold a property: a statement then reads those instead of all five.

Asked of the whole project, whatever was asked: what came after the time of view makes a statement
read a map in vain, and no more. The engine remembers the parts in which a map has no such key
(``use_query_condition_cache``), because the condition is always the same; so only parts that are
new to it are read.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from siyu_analytics.domain.binder import Binder, Query
from siyu_analytics.domain.predicate import MAPS


def holders_query(binder: Binder, names: Sequence[str]) -> Query:
    """Rows of ``place`` (in the names) and ``held`` (in ``MAPS``)."""
    looks = [
        f"(SELECT {place} AS place, {number} AS held FROM events"
        f" WHERE project_id = {{project_id:String}} AND mapContains({column}, {binder.text(name)})"
        " LIMIT 1)"
        for place, name in enumerate(names)
        for number, column in enumerate(MAPS)
    ]
    return binder.query(" UNION ALL ".join(looks))


def holders(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    """By property the maps that hold it; none for one that no event has."""
    found = {(row["place"], row["held"]) for row in rows}
    return {
        name: frozenset(column for number, column in enumerate(MAPS) if (place, number) in found)
        for place, name in enumerate(names)
    }
