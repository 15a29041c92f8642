"""Answers a formula: each term is a count of events, and the formula is taken row by row."""

from decimal import Decimal
from typing import NamedTuple

from siyu_analytics.app.asking import Asking, Call
from siyu_analytics.app.ports import Snapshot
from siyu_analytics.app.query_events import event_rows
from siyu_analytics.app.query_funnel import place_of
from siyu_analytics.domain.binder import Basis, Binder
from siyu_analytics.domain.breakdown import GroupKey
from siyu_analytics.domain.events import EventRow, groups_query
from siyu_analytics.domain.formula import (
    LETTERS,
    FormulaRequest,
    Term,
    Value,
    check_formula,
    computed,
)


class FormulaRow(NamedTuple):
    """One row."""

    time_ms: int | None
    group: GroupKey | None
    terms: list[str]
    value: str


class FormulaAnswer(NamedTuple):
    """The numbers."""

    request: FormulaRequest
    rows: list[FormulaRow]
    total: FormulaRow
    snapshot: Snapshot


class QueryFormula:
    """The use case."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def __call__(self, call: Call, request: FormulaRequest) -> FormulaAnswer:
        request = request.filled(self._asking.clock.now_ms())
        check_formula(request)
        scope = request.scope
        basis, snapshot = await self._asking.basis(call, scope.as_of_ms, scope.zone)
        kept = await self._kept(call, basis, request)
        found: dict[tuple[int | None, GroupKey | None], dict[int, EventRow]] = {}
        for place in range(len(request.terms)):
            rows = await event_rows(self._asking, call, basis, request.of_term(place), kept)
            for position, row in enumerate(rows):
                # The total comes first, and has neither time nor group.
                key = (None, None) if position == 0 else (row.time_ms or 0, row.group)
                found.setdefault(key, {})[place] = row
        total = _row(request, (None, None), found.pop((None, None)))
        ordered = sorted(found, key=lambda key: (key[0] or 0, *_rank(key[1], kept)))
        answer = [_row(request, key, found[key]) for key in ordered]
        return FormulaAnswer(request, answer, total, snapshot)

    async def _kept(
        self, call: Call, basis: Basis, request: FormulaRequest
    ) -> list[GroupKey] | None:
        """The greatest groups of the first term, so that all terms have the same."""
        if request.breakdown is None:
            return None
        query = groups_query(Binder(basis), request.of_term(0))
        rows = await self._asking.rows(query, call)
        return [place_of(row["split"]) for row in rows][: request.breakdown.limit]


def _rank(group: GroupKey | None, kept: list[GroupKey] | None) -> tuple[int, ...]:
    if group is None or kept is None:
        return ()
    named = group._replace(other=False)
    return (len(kept),) if group.other else (kept.index(named),)


def _row(
    request: FormulaRequest,
    key: tuple[int | None, GroupKey | None],
    rows: dict[int, EventRow],
) -> FormulaRow:
    terms = [_value(term, rows.get(place)) for place, term in enumerate(request.terms)]
    values = dict(zip(LETTERS, terms, strict=False))
    texts = [f"{value:f}" for value in terms]
    return FormulaRow(key[0], key[1], texts, computed(request.formula, values))


def _value(term: Term, row: EventRow | None) -> Decimal:
    if row is None:
        return Decimal(0)
    match term.value:
        case Value.EVENTS:
            return Decimal(row.events)
        case Value.PERSONS:
            return Decimal(row.persons)
        case Value.SUM:
            return Decimal(row.measure or 0)
