"""One person in any cell: whether it is counted, what its own answer is, on which events."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.message import Message

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1 import question_pb2
from siyu.condition.v1 import condition_pb2 as cpb
from siyu_analytics.domain.funnel_path import Miss, missed
from siyu_analytics.domain.windows import Span
from siyu_kit.errors import InvalidInput
from support.analytics_questions import NOW_MS, Event, Questions, Trait, World
from support.every_question import every_question

HOUR_MS = 3_600_000
FROM_MS = NOW_MS - 4 * 24 * HOUR_MS
IDENTS = 8
NAMES = ("launch", "view", "view", "click", "search", "deposit", "trade")
CELLS, PERSONS = 1, 3
"""Of each model, drawn from all that its answer has; of everybody."""
SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 40))]


def random_world(rng: random.Random) -> World:
    """Eight identifiers of fewer persons, who did something on four days."""
    person_of = {no: no for no in range(1, IDENTS + 1)}
    person_of |= {7: 1, 8: rng.choice([2, 8])}
    events = [
        Event(
            rng.randint(1, IDENTS),
            rng.choice(NAMES),
            rng.randrange(FROM_MS, NOW_MS, HOUR_MS // 2),
            f"m{place}",
            {"channel": rng.choice(["app", "web"]), "amount": rng.randint(0, 90) * 1.5},
            received=NOW_MS - rng.randrange(2 * HOUR_MS),
        )
        for place in range(70)
    ]
    traits = [
        Trait(person, name, value)
        for person in sorted(set(person_of.values()))
        for name, value in (("city", rng.choice(["沪", "京"])), ("age", rng.randint(18, 80)))
        if rng.random() < 0.7
    ]
    return World(events, person_of, traits)


def cells_in(message: Message) -> Iterator[question_pb2.Cell]:
    """Every cell of an answer that can be opened."""
    if isinstance(message, question_pb2.Cell):
        if message.token:
            yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for item in value if field.is_repeated else [value]:
                yield from cells_in(item)


@pytest.mark.parametrize("seed", SEEDS)
async def test_who_is_listed_is_explained_as_a_member(questions: Questions, seed: int) -> None:
    rng = random.Random(seed)
    world = random_world(rng)
    await questions.load([world])
    asked = every_question(questions.rpc)
    asked["conversion"] = (questions.rpc.QueryConversion, _conversion())
    for model, (method, request) in asked.items():
        answer = await method(_filled(request, world.project), None)
        cells = list(cells_in(answer))
        assert cells, model
        for cell in rng.sample(cells, min(CELLS, len(cells))):
            await _check(questions, world, model, cell, rng)


async def _check(
    questions: Questions, world: World, model: str, cell: question_pb2.Cell, rng: random.Random
) -> None:
    listed = await questions.rpc.ListMembers(
        pb.ListMembersRequest(project_id=world.project, cell_token=cell.token), None
    )
    inside = {member.person_no for member in listed.members}
    assert len(inside) == cell.persons
    for person in rng.sample(sorted(world.population), PERSONS):
        why = await questions.rpc.ExplainMember(_request(world, cell, person), None)
        assert why.member == (person in inside), (model, person)
        assert why.key.definition_digest == listed.key.definition_digest
        own = {e.message_id for e in world.events if world.person_of[e.ident] == person}
        assert {item.message_id for item in why.seen} <= own
        assert bool(why.seen) or not why.member or model == "attribute"
        assert why.WhichOneof("alone") is not None
        times = [item.time_ms for item in why.seen]
        assert times == sorted(times, reverse=True)


async def test_the_answers_of_all_persons_add_up(questions: Questions) -> None:
    world = random_world(random.Random(5))
    await questions.load([world])
    asked = every_question(questions.rpc)
    funnel = await questions.rpc.QueryFunnel(_filled(asked["funnel"][1], world.project), None)
    events = await questions.rpc.QueryEvents(_filled(asked["events"][1], world.project), None)
    steps, trades = [0] * len(funnel.total.steps), 0
    for person in sorted(world.population):
        cell = funnel.total.steps[0].reached
        why = await questions.rpc.ExplainMember(_request(world, cell, person), None)
        for place, step in enumerate(why.funnel.total.steps):
            steps[place] += step.reached.persons
        assert len(why.path.times_ms) == sum(s.reached.persons for s in why.funnel.total.steps)
        own = await questions.rpc.ExplainMember(_request(world, events.total.cell, person), None)
        trades += own.events.total.events
        assert own.events.total.events == len(own.seen)
        assert {item.event_name for item in own.seen} <= {"trade"}
    assert steps == [step.reached.persons for step in funnel.total.steps]
    assert trades == events.total.events


A, B, EXCLUDED = "launch", "deposit", "click"


@pytest.mark.parametrize(
    ("events", "times", "miss"),
    [
        ([(A, 0), (B, 10)], [0, 10], pb.FUNNEL_MISS_UNSPECIFIED),
        ([(A, 0)], [0], pb.FUNNEL_MISS_NEVER),
        ([(B, 0), (A, 5)], [5], pb.FUNNEL_MISS_BEFORE),
        ([(A, 0), (B, HOUR_MS + 1)], [0], pb.FUNNEL_MISS_TOO_LATE),
        ([(A, 0), (EXCLUDED, 5), (B, 10)], [0], pb.FUNNEL_MISS_CUT),
        ([(B, 0)], [], pb.FUNNEL_MISS_NEVER),
        ([(A, -1), (B, 5)], [], pb.FUNNEL_MISS_OUT_OF_RANGE),
        ([(A, NOW_MS - FROM_MS), (B, NOW_MS - FROM_MS)], [], pb.FUNNEL_MISS_OUT_OF_RANGE),
    ],
    ids=["all", "never", "before", "too late", "cut", "no entry", "early", "after the range"],
)
async def test_the_nearest_miss_of_a_funnel(questions, events, times, miss):
    rows = [Event(1, name, FROM_MS + at, f"m{at}") for name, at in events]
    other = [Event(2, A, FROM_MS, "a"), Event(2, B, FROM_MS + 7, "b")]
    world = World([*rows, *other], {1: 1, 2: 2})
    await questions.load([world])
    request = pb.QueryFunnelRequest(steps=[_event(A), _event(B)], window_ms=HOUR_MS)
    request.exclusions.add(event=_event(EXCLUDED), from_step=0, to_step=1)
    answer = await questions.rpc.QueryFunnel(_filled(request, world.project), None)
    cell = answer.total.steps[1].reached
    why = await questions.rpc.ExplainMember(_request(world, cell, 1), None)
    assert [at - FROM_MS for at in why.path.times_ms] == times
    assert (why.path.miss, why.member) == (miss, len(times) == 2)


@pytest.mark.parametrize(
    ("path", "next_times", "expected"),
    [
        ([5], [], Miss.NEVER),
        ([], [3], Miss.CUT),
        ([], [20], Miss.OUT_OF_RANGE),
        ([5], [5], Miss.BEFORE),
        ([5], [1, 16], Miss.TOO_LATE),
        ([5], [15], Miss.CUT),
    ],
)
def test_the_rule_of_a_miss(path, next_times, expected):
    assert missed(path, next_times, 10, Span(0, 20)) is expected


async def test_who_is_not_asked_is_told_so(questions):
    world = World([Event(n, A, FROM_MS, f"m{n}") for n in (1, 2)], {1: 1, 2: 2})
    world.traits.append(Trait(2, "city", "沪"))
    await questions.load([world])
    request = pb.QueryFunnelRequest(steps=[_event(A), _event(B)])
    request.scope.persons.trait.trait = "city"
    request.scope.persons.trait.operator = cpb.OPERATOR_EXISTS
    answer = await questions.rpc.QueryFunnel(_filled(request, world.project), None)
    cell = answer.total.steps[0].reached
    one, two = [
        await questions.rpc.ExplainMember(_request(world, cell, person), None) for person in (1, 2)
    ]
    assert (one.member, one.path.miss) == (False, pb.FUNNEL_MISS_NOT_ASKED)
    assert (two.member, two.path.miss) == (True, pb.FUNNEL_MISS_NEVER)


async def test_a_comparison_is_explained(questions):
    from pyroaring import BitMap

    world = World([Event(1, "trade", FROM_MS, "a"), Event(2, "view", FROM_MS, "b")], {1: 1, 2: 2})
    await questions.load([world])
    request = pb.CompareGroupsRequest(
        project_id=world.project,
        goal=_event("trade"),
        treated_bitmap=BitMap([1, 2]).serialize(),
        control_bitmap=BitMap([3]).serialize(),
    )
    answer = await questions.rpc.CompareGroups(request, None)
    for cell, person, member in (
        (answer.treated.converted, 1, True),
        (answer.treated.converted, 2, False),
        (answer.treated.persons, 2, True),
        (answer.control.persons, 1, False),
    ):
        why = await questions.rpc.ExplainMember(_request(world, cell, person), None)
        assert why.member is member
        assert why.WhichOneof("alone") is None


async def test_a_person_has_a_number(questions):
    world = random_world(random.Random(1))
    await questions.load([world])
    request = every_question(questions.rpc)["events"][1]
    answer = await questions.rpc.QueryEvents(_filled(request, world.project), None)
    with pytest.raises(InvalidInput) as caught:
        await questions.rpc.ExplainMember(_request(world, answer.total.cell, 0), None)
    assert caught.value.field == "person_no"


def _event(name: str) -> cpb.EventFilter:
    return cpb.EventFilter(event_name=name)


def _conversion() -> pb.QueryConversionRequest:
    request = pb.QueryConversionRequest(bounds=[1, 3])
    request.definition.start.CopyFrom(_event("launch"))
    request.definition.goal.CopyFrom(_event("trade"))
    request.definition.behaviour.CopyFrom(_event("view"))
    return request


def _filled(request: Any, project: str) -> Any:
    request.project_id = project
    scope = getattr(request, "definition", request).scope
    scope.from_time_ms, scope.to_time_ms, scope.as_of_time_ms = FROM_MS, NOW_MS, NOW_MS
    return request


def _request(world: World, cell: question_pb2.Cell, person: int) -> pb.ExplainMemberRequest:
    return pb.ExplainMemberRequest(
        project_id=world.project, cell_token=cell.token, person_no=person
    )
