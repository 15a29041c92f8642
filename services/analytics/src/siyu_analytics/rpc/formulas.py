"""QueryFormula's messages."""

from typing import Final

from siyu.analytics.v1 import formula_pb2 as pb
from siyu_analytics.app.query_formula import FormulaAnswer, FormulaRow
from siyu_analytics.domain.formula import FormulaRequest, Term, Value
from siyu_analytics.rpc.answers import group_message
from siyu_analytics.rpc.conditions import event_from
from siyu_analytics.rpc.enums import known
from siyu_analytics.rpc.mapping import breakdown_from, granularity_from, scope_from

_VALUES: Final = {
    pb.FORMULA_VALUE_UNSPECIFIED: Value.EVENTS,
    pb.FORMULA_VALUE_EVENTS: Value.EVENTS,
    pb.FORMULA_VALUE_PERSONS: Value.PERSONS,
    pb.FORMULA_VALUE_SUM: Value.SUM,
}


def formula_request_from(message: pb.QueryFormulaRequest) -> FormulaRequest:
    """QueryFormula."""
    terms = []
    for place, item in enumerate(message.terms):
        value = known(_VALUES, item.value, f"terms[{place}].value", what="value")
        terms.append(Term(event_from(item.event, f"terms[{place}].event"), value, item.property))
    return FormulaRequest(
        scope_from(message.scope, "scope"),
        tuple(terms),
        message.formula,
        granularity_from(message.granularity, "granularity"),
        breakdown_from(message.breakdown),
    )


def formula_response(answer: FormulaAnswer) -> pb.QueryFormulaResponse:
    """The numbers."""
    rows = [_row(row) for row in answer.rows]
    return pb.QueryFormulaResponse(rows=rows, total=_row(answer.total))


def _row(row: FormulaRow) -> pb.FormulaRow:
    group = group_message(row.group) if row.group else None
    return pb.FormulaRow(time_ms=row.time_ms or 0, group=group, terms=row.terms, value=row.value)
