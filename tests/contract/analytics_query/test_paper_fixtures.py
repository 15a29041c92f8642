"""The white paper's worked examples and the vendors' funnel orders, on the engine."""

from typing import Any

import pytest
from pyroaring import BitMap

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1 import question_pb2
from siyu.condition.v1 import condition_pb2 as cpb
from siyu.type.v1 import value_pb2
from siyu_demo.fixtures import SEQUENCES, FxM1, FxO1, Sequence, fx_m1, fx_o1, sequence_records
from siyu_demo.fixtures.sequences import WINDOW_MS
from siyu_demo.records import Record
from siyu_demo.simulator.vocabulary import OPEN_STEPS
from support.analytics_questions import Event, Questions, World, person_id

NINE_MS = 1_790_000_000_000


def world_of(records: list[Record]) -> tuple[World, dict[str, int]]:
    """The records under a person for each customer, and the numbers."""
    numbers: dict[str, int] = {}
    events = []
    for record in records:
        number = numbers.setdefault(record.ids["customer_no"], len(numbers) + 1)
        events.append(
            Event(number, record.event, record.time, record.message_id, dict(record.properties))
        )
    return World(events, {number: number for number in numbers.values()}), numbers


def step(name: str) -> cpb.EventFilter:
    operand = value_pb2.Value(string_value=name)
    item = cpb.PropertyFilter(property="step", operator=cpb.OPERATOR_EQ, operands=[operand])
    return cpb.EventFilter(event_name="open_step", filters=[item])


async def members(questions: Questions, project: str, cell: question_pb2.Cell) -> set[int]:
    request = pb.ListMembersRequest(project_id=project, cell_token=cell.token)
    page = await questions.rpc.ListMembers(request, None)
    assert page.total == cell.persons == len(page.members)
    assert all(member.person_id == person_id(member.person_no) for member in page.members)
    return {member.person_no for member in page.members}


async def opening(questions: Questions, split: str = "") -> tuple[Any, World, dict[str, int]]:
    world, numbers = world_of(fx_o1(NINE_MS))
    await questions.load([world])
    request = pb.QueryFunnelRequest(
        project_id=world.project, steps=[step(name) for name in OPEN_STEPS]
    )
    if split:
        request.breakdown.event_property = split
    return await questions.rpc.QueryFunnel(request, None), world, numbers


async def test_opening_funnel_has_the_papers_numbers(questions: Questions) -> None:
    """FX-O1, S-051."""
    answer, world, numbers = await opening(questions)
    steps = answer.total.steps
    assert [s.reached.persons for s in steps] == FxO1.REACHED
    assert [s.lost.persons for s in steps[:-1]] == FxO1.LOST
    assert [s.step_rate for s in steps] == pytest.approx([1, *FxO1.STEP_RATES])
    assert answer.total.overall_rate == FxO1.OVERALL
    assert [s.median_ms / 60_000 for s in steps[1:]] == FxO1.MEDIAN_MINUTES
    for place, people in enumerate(FxO1.LOST_PEOPLE):
        found = await members(questions, world.project, steps[place].lost)
        assert found == {numbers[f"fxo1-{name}"] for name in people}


@pytest.mark.parametrize("split", sorted(FxO1.GROUPS))
async def test_opening_funnel_splits_as_the_paper_does(questions: Questions, split: str) -> None:
    """FX-O1 by three properties, S-052."""
    answer, _, _ = await opening(questions, split)
    groups = {g.group.value: [s.reached.persons for s in g.steps] for g in answer.groups}
    assert groups == {str(key).lower(): value for key, value in FxO1.GROUPS[split].items()}


async def test_magic_number_is_six(questions: Questions) -> None:
    """FX-M1, S-064 and S-065."""
    world, _ = world_of(fx_m1(NINE_MS))
    await questions.load([world])
    definition = pb.ConversionDefinition(
        start=cpb.EventFilter(event_name="deposit"),
        goal=cpb.EventFilter(event_name="trade"),
        behaviour=cpb.EventFilter(event_name="news_view"),
    )
    point = await questions.rpc.FindTurningPoint(
        pb.FindTurningPointRequest(project_id=world.project, definition=definition), None
    )
    assert point.k == FxM1.TURNING_POINT
    assert [round(c.phi, 4) for c in point.candidates[:9]] == FxM1.PHI
    best = point.candidates[point.k - 1]
    table = (best.true_positive, best.false_positive, best.false_negative, best.true_negative)
    assert table == FxM1.CONTINGENCY
    answer = await questions.rpc.QueryConversion(
        pb.QueryConversionRequest(project_id=world.project, definition=definition, bounds=[3, 6]),
        None,
    )
    found = [(b.converted.persons, b.persons.persons) for b in answer.buckets]
    assert found == FxM1.BUCKETS
    for bucket in answer.buckets:
        converted = await members(questions, world.project, bucket.converted)
        assert converted <= await members(questions, world.project, bucket.persons)
    last = answer.buckets[-1].rate
    assert (round(last.low, 3), round(last.high, 3)) == (0.495, 0.779)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 5, FxM1.AUDIENCE_BELOW_TURNING_POINT),
        (0, 4, FxM1.AUDIENCE_UP_TO_FOUR),
        (1, 4, FxM1.AUDIENCE_ONE_TO_FOUR),
    ],
)
async def test_target_audience_has_the_papers_size(
    questions: Questions, low: int, high: int, expected: int
) -> None:
    """FX-M1, S-066."""
    world, _ = world_of(fx_m1(NINE_MS))
    await questions.load([world])

    def count(name: str, operator: int, *operands: int) -> cpb.Condition:
        leaf = cpb.EventCountCondition(
            event=cpb.EventFilter(event_name=name), operator=operator, operands=operands
        )
        return cpb.Condition(event_count=leaf)

    leaves = [
        count("deposit", cpb.OPERATOR_GE, 1),
        count("trade", cpb.OPERATOR_EQ, 0),
        count("news_view", cpb.OPERATOR_BETWEEN, low, high),
    ]
    condition = cpb.Condition(all_of=cpb.AllOf(conditions=leaves))
    answer = await questions.rpc.EvaluateAudience(
        pb.EvaluateAudienceRequest(project_id=world.project, condition=condition), None
    )
    assert answer.persons == len(BitMap.deserialize(answer.bitmap)) == expected
    assert answer.population == FxM1.PERSONS


@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda s: s.name)
async def test_vendors_orders(questions: Questions, sequence: Sequence) -> None:
    """The sequences of the funnel, models.md 2.2."""
    world, _ = world_of(sequence_records(sequence, NINE_MS, "anybody"))
    await questions.load([world])
    depths = {}
    for order in (pb.FUNNEL_ORDER_STRICT, pb.FUNNEL_ORDER_SEQUENTIAL):
        request = pb.QueryFunnelRequest(
            project_id=world.project,
            steps=[cpb.EventFilter(event_name=f"step_{letter}") for letter in sequence.steps],
            window_ms=WINDOW_MS,
            order=order,
        )
        answer = await questions.rpc.QueryFunnel(request, None)
        depths[order] = sum(s.reached.persons for s in answer.total.steps)
    assert depths[pb.FUNNEL_ORDER_STRICT] == sequence.strict
    assert depths[pb.FUNNEL_ORDER_SEQUENTIAL] == sequence.sequential


@pytest.mark.parametrize("order", [pb.FUNNEL_ORDER_STRICT, pb.FUNNEL_ORDER_SEQUENTIAL])
@pytest.mark.parametrize(("late_ms", "reached"), [(0, 1), (1, 0)])
async def test_the_window_ends_with_its_last_millisecond(
    questions: Questions, order: pb.FunnelOrder.ValueType, late_ms: int, reached: int
) -> None:
    on_time = Sequence("edge", "AB", (("A", 0, ""), ("B", 0, "")), None, 2, 2)
    first, last = sequence_records(on_time, NINE_MS, "edge")
    last = last._replace(time=NINE_MS + WINDOW_MS + late_ms)
    world, _ = world_of([first, last])
    await questions.load([world])
    request = pb.QueryFunnelRequest(
        project_id=world.project,
        steps=[cpb.EventFilter(event_name="step_A"), cpb.EventFilter(event_name="step_B")],
        window_ms=WINDOW_MS,
        order=order,
    )
    answer = await questions.rpc.QueryFunnel(request, None)
    assert [step.reached.persons for step in answer.total.steps] == [1, reached]
