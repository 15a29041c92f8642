"""Which properties are never anything but text: a statement then reads one map instead of five.

Asked of the whole project, whatever was asked: what came after the time of view makes a statement
read maps in vain, and no more. The engine remembers the parts without such an event
(``use_query_condition_cache``), because the condition is always the same; so only parts that are
new to it are read.
"""

from collections.abc import Sequence
from typing import Final

from siyu_analytics.domain.binder import Binder, Query
from siyu_analytics.domain.predicate import MAPS, TEXT

_OTHERS: Final = tuple(column for column in MAPS if column != TEXT)


def other_types_query(binder: Binder, names: Sequence[str]) -> Query:
    """Rows of ``place``: the properties, by place in the names, that some event has as no text."""
    looks = []
    for place, name in enumerate(names):
        key = binder.text(name)
        held = " OR ".join(f"mapContains({column}, {key})" for column in _OTHERS)
        looks.append(
            f"(SELECT {place} AS place FROM events"
            f" WHERE project_id = {{project_id:String}} AND ({held}) LIMIT 1)"
        )
    return binder.query(" UNION ALL ".join(looks))
