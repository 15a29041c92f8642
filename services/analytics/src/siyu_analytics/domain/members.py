"""The list behind a count: the same rows, opened page by page."""

from collections.abc import Sequence

from siyu_analytics.domain.binder import Binder, Query


def page_query(binder: Binder, members: str, after: int, size: int) -> Query:
    """One row: ``total``, and ``page``, up to ``size`` numbers above ``after``, ascending.

    ``members`` is a SELECT of ``person``; total and page come from one reading of it.
    """
    first = binder.bind(after + 1, "UInt32")
    return binder.query(
        "SELECT bitmapCardinality(everyone) AS total,"
        f" bitmapToArray(bitmapSubsetLimit(everyone, {first}, {binder.number(size)})) AS page"
        f" FROM (SELECT groupBitmapState(person) AS everyone FROM ({members}))"
    )


def ids_query(binder: Binder, person_nos: Sequence[int]) -> Query:
    """Rows of ``person_no`` and ``id``, of those whose id is known by now.

    An erasure changes an id, and none of before is shown after it.
    """
    numbers = binder.bind(list(person_nos), "Array(UInt32)")
    return binder.query(
        "SELECT person_no, argMax(person_id, sequence) AS id FROM person"
        f" WHERE project_id = {{project_id:String}} AND person_no IN {numbers}"
        " GROUP BY person_no"
    )
