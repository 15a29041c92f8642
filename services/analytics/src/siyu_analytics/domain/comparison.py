"""Which persons reached a goal: what two given groups are compared by."""

from siyu_analytics.domain.binder import Binder, Query
from siyu_analytics.domain.filters import EventFilter
from siyu_analytics.domain.scan import scan
from siyu_analytics.domain.scope import Scope


def achievers_query(binder: Binder, scope: Scope, goal: EventFilter) -> Query:
    """One row: ``members``, the numbers of all persons with a goal event in the range."""
    rows = scan(binder, [goal], scope.span, [])
    return binder.query(f"SELECT bitmapToArray(groupBitmapState(person)) AS members FROM ({rows})")
