"""Reading events: which rows a question sees, and under which person."""

from collections.abc import Sequence

from siyu_analytics.domain.binder import Binder
from siyu_analytics.domain.filters import EventFilter
from siyu_analytics.domain.predicate import event_predicate
from siyu_analytics.domain.windows import Span

MS = "toUnixTimestamp64Milli(time) AS ms"
"""Column: event time in milliseconds; seconds would lose the order (and have)."""


def scan(
    binder: Binder,
    events: Sequence[EventFilter] | None,
    span: Span,
    columns: Sequence[str],
    persons: str = "",
    also: Sequence[str] = (),
) -> str:
    """A SELECT of columns, with ``person``, over the events that any of the filters means.

    With None it is over every event of the project.
    ``span`` is already cut at the time of view. ``persons`` is a subquery of person numbers in
    parentheses, empty for everybody; ``also`` are further tests of a row. The text ends with its
    WHERE, so that an ORDER BY may follow.
    """
    basis = binder.basis
    binder.scans.append((None if events is None else tuple(events), span))
    where = ["project_id = {project_id:String}"]
    if events is not None:
        names = sorted({event.name for event in events})
        where.append(f"name IN {binder.texts(names)}" if names else "false")
    where += [
        f"time >= {binder.time(span.low)}",
        f"time < {binder.time(span.high)}",
        "batch_no <= {batch_no:UInt64}",
    ]
    if events is not None and any(event.filters for event in events):
        predicates = dict.fromkeys(event_predicate(binder, event) for event in events)
        where.append(f"({' OR '.join(predicates)})")
    if binder.only_person is not None:
        where += _of_person(binder, binder.only_person)
    if persons:
        where.append(f"{basis.person} IN {persons}")
    where += also
    listed = ", ".join((f"{basis.person} AS person", *columns))
    return f"SELECT {listed} FROM events WHERE {' AND '.join(where)}"


def _of_person(binder: Binder, person_no: int) -> list[str]:
    """One person's events: every identifier that ever was theirs, then the map that holds now."""
    number = binder.number(person_no)
    ever = (
        "SELECT ident_no FROM person_map"
        f" WHERE project_id = {{project_id:String}} AND person_no = {number}"
    )
    return [
        f"(ident_no = {number} OR ident_no IN ({ever}))",
        f"{binder.basis.person} = {number}",
    ]
