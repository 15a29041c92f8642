"""Attributes equal what plain Python counts; values as of a time, number and list."""

from collections import defaultdict
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.condition_oracle import Person, holds
from oracle.strategies import AS_OF_MS, TRAITS, conditions
from oracle.texts import text
from siyu.analytics.v1 import attribute_pb2 as pb
from support.analytics_cells import cases_of, few, lots, members
from support.analytics_questions import Questions, Trait, World
from support.analytics_worlds import persons_of, world_of

ZONE = "Asia/Shanghai"


@st.composite
def questions_of_attributes(draw: st.DrawFn) -> pb.QueryAttributesRequest:
    measure = draw(st.sampled_from(pb.AttributeMeasure.values()))
    request = pb.QueryAttributesRequest(
        measure=measure, measure_trait=draw(st.sampled_from(TRAITS)) if measure else ""
    )
    if draw(st.booleans()):
        request.breakdown.trait = draw(st.sampled_from(TRAITS))
        request.breakdown.limit = draw(st.sampled_from([0, 1]))
    if draw(st.booleans()):
        request.scope.persons.CopyFrom(draw(conditions(depth=2)))
    request.scope.as_of_time_ms = AS_OF_MS
    return request


QUESTIONS = questions_of_attributes()


@few
@given(cases=cases_of(QUESTIONS, 4))
async def test_attributes(questions: Questions, cases: list[Any]) -> None:
    await check_attributes(questions, cases)


@pytest.mark.slow
@pytest.mark.timeout(900)
@lots
@given(cases=cases_of(QUESTIONS, 6))
async def test_attributes_at_length(questions: Questions, cases: list[Any]) -> None:
    await check_attributes(questions, cases)


async def check_attributes(questions: Questions, cases: list[Any]) -> None:
    worlds = [world_of(history) for history, _ in cases]
    await questions.load(worlds)
    for world, (history, request) in zip(worlds, cases, strict=True):
        request.project_id = world.project
        answer = await questions.rpc.QueryAttributes(request, None)
        people = persons_of(history)
        if request.scope.HasField("persons"):
            wanted = request.scope.persons
            people = {n: p for n, p in people.items() if holds(wanted, p, AS_OF_MS, ZONE)}
        await check_row(questions, request, answer.total, people)
        groups: dict[str | None, dict[int, Person]] = defaultdict(dict)
        for number, person in people.items() if request.breakdown.trait else []:
            groups[text(person.traits.get(request.breakdown.trait))][number] = person
        ranked = sorted(groups, key=lambda g: (-len(groups[g]), g is None, (g or "").encode()))
        limit = request.breakdown.limit or 50
        assert len(answer.rows) == min(len(ranked), limit + 1)
        for row, group in zip(answer.rows, ranked, strict=False):
            if row.group.other:
                rest = {n: p for g in ranked[limit:] for n, p in groups[g].items()}
                await check_row(questions, request, row, rest)
            else:
                assert (row.group.missing, row.group.value) == (group is None, group or "")
                await check_row(questions, request, row, groups[group])


async def check_row(
    questions: Questions,
    request: pb.QueryAttributesRequest,
    row: pb.AttributeRow,
    people: dict[int, Person],
) -> None:
    project, name = request.project_id, request.measure_trait
    assert await members(questions, project, row.persons) == set(people)
    numeric = request.measure > pb.ATTRIBUTE_MEASURE_DISTINCT
    valued = {
        n
        for n, p in people.items()
        if not request.measure
        or (name in p.traits and (not numeric or p.traits[name].HasField("number_value")))
    }
    assert await members(questions, project, row.valued) == valued
    assert await members(questions, project, row.unvalued) == set(people) - valued
    assert row.measure == measure_of(request.measure, [people[n].traits.get(name) for n in valued])


def measure_of(measure: int, values: list[Any]) -> str:
    if not measure or not values:
        return ""
    if measure == pb.ATTRIBUTE_MEASURE_DISTINCT:
        return str(len({text(value) for value in values}))
    amounts = [Decimal(str(value.number_value)) for value in values]
    result = {
        pb.ATTRIBUTE_MEASURE_SUM: sum(amounts, Decimal(0)),
        pb.ATTRIBUTE_MEASURE_AVERAGE: sum(amounts, Decimal(0)) / len(amounts),
        pb.ATTRIBUTE_MEASURE_MAX: max(amounts),
        pb.ATTRIBUTE_MEASURE_MIN: min(amounts),
    }[measure]
    return f"{result.quantize(Decimal('0.0001'), rounding=ROUND_HALF_EVEN):f}"


async def ages(questions: Questions, traits: list[Trait], as_of_ms: int) -> pb.AttributeRow:
    world = World([], {1: 1, 2: 2, 3: 3}, traits)
    await questions.load([world])
    request = pb.QueryAttributesRequest(
        project_id=world.project, measure=pb.ATTRIBUTE_MEASURE_AVERAGE, measure_trait="age"
    )
    request.scope.as_of_time_ms = as_of_ms
    return (await questions.rpc.QueryAttributes(request, None)).total


async def test_who_has_no_age_is_counted_apart(questions: Questions) -> None:
    """Model 12, attribute."""
    row = await ages(questions, [Trait(1, "age", 20.0), Trait(2, "age", 30.0)], AS_OF_MS)
    assert (row.measure, row.persons.persons) == ("25.0000", 3)
    assert (row.valued.persons, row.unvalued.persons) == (2, 1)


@pytest.mark.parametrize(
    ("as_of_ms", "mean"), [(999, ""), (1_000, "20.0000"), (2_000, "40.0000"), (3_000, "")]
)
async def test_values_are_those_of_the_time_of_view(
    questions: Questions, as_of_ms: int, mean: str
) -> None:
    traits = [
        Trait(1, "age", 20.0, sequence=1, valid_from=1_000),
        Trait(1, "age", 40.0, sequence=2, valid_from=2_000),
        Trait(1, "age", None, sequence=3, valid_from=3_000),
    ]
    assert (await ages(questions, traits, as_of_ms)).measure == mean
