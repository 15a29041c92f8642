"""Asks a model's question: fills and checks it, finds the groups that are kept, counts."""

from typing import Any, Final, Generic, NamedTuple, TypeVar

from siyu_analytics.app.asking import Asking, Call
from siyu_analytics.app.ports import Snapshot
from siyu_analytics.app.query_funnel import place_of
from siyu_analytics.domain.binder import Basis, Binder
from siyu_analytics.domain.breakdown import GroupKey
from siyu_analytics.domain.question import Question

Q = TypeVar("Q", bound=Question)
_MOST: Final = 20_000
"""Rows of an answer whose groups are not folded yet."""
_NAMES: Final = ("place", "here")
"""Columns that name a group."""


class ModelAnswer(NamedTuple, Generic[Q]):
    """The rows that the engine answered with, and what was asked with its defaults."""

    question: Q
    rows: list[dict[str, Any]]
    snapshot: Snapshot


class AskModel:
    """The use case."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def __call__(self, call: Call, question: Q) -> ModelAnswer[Q]:
        question = question.filled(self._asking.clock.now_ms())
        question.check()
        scope = question.scope
        basis, snapshot = await self._asking.basis(call, scope.as_of_ms, scope.zone)
        basis = await self._asking.with_types(
            call, basis, lambda draft: question.answer(draft, None)
        )
        rows = await self._rows(call, basis, question)
        return ModelAnswer(question, rows, snapshot)

    async def _rows(self, call: Call, basis: Basis, question: Q) -> list[dict[str, Any]]:
        """All groups if they are few, in one statement; else those that are kept and the rest."""
        query = question.answer(Binder(basis), None)
        if question.groups(Binder(basis)) is None:
            return await self._asking.rows(query, call)
        bounded = query._replace(sql=f"{query.sql} LIMIT {_MOST + 1}")
        rows = await self._asking.rows(bounded, call)
        groups = {str(row[name]) for row in rows for name in _NAMES if name in row}
        if len(rows) <= _MOST and len(groups) <= question.limit:
            return rows
        kept = await kept_of(self._asking, call, basis, question)
        return await self._asking.rows(question.answer(Binder(basis), kept), call)


async def kept_of(
    asking: Asking, call: Call, basis: Basis, question: Question
) -> list[GroupKey] | None:
    """The groups that are kept; None when all are."""
    query = question.groups(Binder(basis))
    if query is None:
        return None
    rows = await asking.rows(query, call)
    groups = [place_of(row["split"]) for row in rows]
    limit = question.limit
    return groups[:limit] if len(groups) > limit else None
