"""Formulas over counts: equal to the terms' own answers, and refused when they are none."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.calendar_oracle import period_start
from oracle.events_oracle import group_of, meant, ranked
from oracle.strategies import AS_OF_MS, HOUR_MS, ZONES, event_filters
from siyu.analytics.v1 import formula_pb2 as pb
from siyu.analytics.v1 import question_pb2
from siyu.condition.v1 import condition_pb2 as cpb
from siyu.type.v1 import value_pb2
from siyu_kit.errors import InvalidInput
from support.analytics_cells import cases_of, draw_split, few, lots
from support.analytics_questions import Event, Questions, World
from support.analytics_worlds import persons_of, world_of

LOW, TO = AS_OF_MS - 30 * HOUR_MS, AS_OF_MS - HOUR_MS
FORMULAS = {
    "A ÷ B": lambda a, b: a / b,
    "(A - B) * 2.5": lambda a, b: (a - b) * Fraction(5, 2),
    "-A + B × 0.1": lambda a, b: -a + b / 10,
}


@st.composite
def questions_of_formulas(draw: st.DrawFn) -> pb.QueryFormulaRequest:
    request = pb.QueryFormulaRequest(
        formula=draw(st.sampled_from(sorted(FORMULAS))),
        granularity=draw(st.sampled_from(question_pb2.Granularity.values())),
    )
    for _ in range(2):
        value = draw(st.sampled_from([v for v in pb.FormulaValue.values() if v]))
        name = "amount" if value == pb.FORMULA_VALUE_SUM else ""
        request.terms.add(event=draw(event_filters()), value=value, property=name)
    if draw_split(draw, request):
        request.breakdown.limit = draw(st.sampled_from([0, 1]))
    request.scope.from_time_ms, request.scope.to_time_ms = LOW, TO
    request.scope.as_of_time_ms = AS_OF_MS
    request.scope.zone = draw(st.sampled_from(ZONES))
    return request


QUESTIONS = questions_of_formulas()


@few
@given(cases=cases_of(QUESTIONS, 4))
async def test_formulas(questions: Questions, cases: list[Any]) -> None:
    await check_formulas(questions, cases)


@pytest.mark.slow
@pytest.mark.timeout(900)
@lots
@given(cases=cases_of(QUESTIONS, 6))
async def test_formulas_at_length(questions: Questions, cases: list[Any]) -> None:
    await check_formulas(questions, cases)


async def check_formulas(questions: Questions, cases: list[Any]) -> None:
    worlds = [world_of(history) for history, _ in cases]
    await questions.load(worlds)
    for world, (history, request) in zip(worlds, cases, strict=True):
        request.project_id = world.project
        answer = await questions.rpc.QueryFormula(request, None)
        persons = persons_of(history)
        by = request.breakdown.WhichOneof("by") or ""
        name = getattr(request.breakdown, by) if by else ""
        items = [meant(persons, term.event, LOW, TO) for term in request.terms]
        first = [group_of(event, persons[n], by, name) for n, event in items[0]]
        kept = ranked(items[0], first)[: request.breakdown.limit or 50]
        rows: dict[Any, list[list[Any]]] = {}
        for place, own in enumerate(items):
            for number, event in own:
                group: Any = group_of(event, persons[number], by, name)
                group = group if not by or group in kept else "\0other"
                start = period_start(event.event_time_ms, request.granularity, request.scope.zone)
                rows.setdefault((start, group), [[], []])[place].append((number, event))
        found = {}
        for row in answer.rows:
            named = row.HasField("group") and not row.group.missing
            key: Any = "\0other" if row.group.other else row.group.value if named else None
            found[row.time_ms, key] = row
        assert set(found) == set(rows)
        for place_of_row, terms in rows.items():
            check_row(request, found[place_of_row], terms)
        check_row(request, answer.total, items)


def check_row(request: pb.QueryFormulaRequest, row: pb.FormulaRow, items: list[Any]) -> None:
    values = [value_of(term, own) for term, own in zip(request.terms, items, strict=True)]
    assert [Decimal(text) for text in row.terms] == values
    try:
        exact = FORMULAS[request.formula](*(Fraction(value) for value in values))
    except ZeroDivisionError:
        assert not row.value
    else:
        assert abs(Fraction(row.value) - exact) <= Fraction(1, 20_000)


def value_of(term: pb.FormulaTerm, items: list[Any]) -> Decimal:
    if term.value == pb.FORMULA_VALUE_PERSONS:
        return Decimal(len({number for number, _ in items}))
    if term.value == pb.FORMULA_VALUE_SUM:
        amounts = [
            Decimal(str(e.number_properties["amount"]))
            for _, e in items
            if "amount" in e.number_properties
        ]
        return sum(amounts, Decimal(0))
    return Decimal(len(items))


def trades(*filters: cpb.PropertyFilter) -> cpb.EventFilter:
    return cpb.EventFilter(event_name="trade", filters=filters)


async def test_mobile_share_of_trading_customers(questions: Questions) -> None:
    """S-001."""
    events = [
        Event(n, "trade", n, properties={"terminal": "mobile" if n <= 895 else "desk"})
        for n in range(1, 1_001)
    ]
    events += [Event(1, "trade", 5_000, properties={"terminal": "desk"})]
    world = World(events, {n: n for n in range(1, 1_001)})
    await questions.load([world])
    operand = value_pb2.Value(string_value="mobile")
    mobile = cpb.PropertyFilter(property="terminal", operator=cpb.OPERATOR_EQ, operands=[operand])
    request = pb.QueryFormulaRequest(project_id=world.project, formula="A ÷ B")
    for event in (trades(mobile), trades()):
        request.terms.add(event=event, value=pb.FORMULA_VALUE_PERSONS)
    answer = await questions.rpc.QueryFormula(request, None)
    assert (list(answer.total.terms), answer.total.value) == (["895", "1000"], "0.8950")


@pytest.mark.parametrize(
    "formula",
    ["", "A +", "C", "AB", "A ** B", "A.real", "f(A)", "A if B else A", "True", "1j", "[A]", "'A'"],
)
async def test_what_is_no_arithmetic_is_refused(questions: Questions, formula: str) -> None:
    request = pb.QueryFormulaRequest(project_id="p", formula=formula)
    for _ in range(2):
        request.terms.add(event=trades())
    with pytest.raises(InvalidInput, match="formula"):
        await questions.rpc.QueryFormula(request, None)
