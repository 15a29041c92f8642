"""Inferred links in SQL."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, select, tuple_, update

from siyu_identity.domain.kruskal import Pair
from siyu_identity.domain.review import Review, ReviewState
from siyu_identity.store.graph import SqlGraph
from siyu_identity.store.tables import ReviewRow
from siyu_kit.errors import NotFound
from siyu_kit.sql.upsert import table_of, upsert

_KEY: Final = ("project_id", "left_no", "right_no")
_table = table_of(ReviewRow)


class SqlReviews:
    """The reviews of one project, in a graph's transaction."""

    def __init__(self, graph: SqlGraph) -> None:
        self._session = graph.session
        self._project = graph.project_id

    async def submit(self, reviews: Sequence[Review]) -> None:
        rows = [{"project_id": self._project} | _values(review) for review in reviews]
        await upsert(self._session, ReviewRow, rows, key=_KEY)

    async def get(self, pair: Pair) -> Review:
        rows = await self._session.execute(select(_table).where(self._is(pair)).with_for_update())
        row = rows.first()
        if row is None:
            raise NotFound(
                "REVIEW_UNKNOWN",
                "there is no such inferred link",
                left_ident_no=str(pair[0]),
                right_ident_no=str(pair[1]),
            )
        return _review(row)

    async def put(self, review: Review) -> None:
        await self._session.execute(
            update(_table).where(self._is(review.pair)).values(**_values(review))
        )

    async def page(self, state: ReviewState, after: Pair, limit: int) -> list[Review]:
        c = _table.c
        rows = await self._session.execute(
            select(_table)
            .where(c.project_id == self._project, c.state == int(state))
            .where(tuple_(c.left_no, c.right_no) > tuple_(*after))
            .order_by(c.left_no, c.right_no)
            .limit(limit)
        )
        return [_review(row) for row in rows]

    def _is(self, pair: Pair) -> ColumnElement[bool]:
        c = _table.c
        ends = (c.left_no == pair[0]) & (c.right_no == pair[1])
        return (c.project_id == self._project) & ends


def _values(review: Review) -> dict[str, Any]:
    return {
        "left_no": review.pair[0],
        "right_no": review.pair[1],
        "state": int(review.state),
        "source": review.source,
        "submitted_by": review.submitted_by,
        "submitted_ms": review.submitted_ms,
        "decided_by": review.decided_by,
        "decided_ms": review.decided_ms,
    }


def _review(row: Any) -> Review:
    return Review(
        (row.left_no, row.right_no), row.source, row.submitted_by, row.submitted_ms,
        ReviewState(row.state), row.decided_by, row.decided_ms,
    )  # fmt: skip
