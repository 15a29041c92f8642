"""What no random case is likely to show."""

from dataclasses import replace
from typing import Any

import pytest
from pyroaring import BitMap

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1 import question_pb2
from siyu.condition.v1 import condition_pb2 as cpb
from siyu.type.v1 import value_pb2
from siyu_kit.errors import DomainError, InvalidInput, PreconditionFailed
from support.analytics_questions import BATCH, NOW_MS, Event, Questions, Trait, World

EVENT = cpb.EventFilter(event_name="trade")


async def loaded(questions: Questions, **parts: Any) -> World:
    world = World(**parts)
    await questions.load([world])
    return world


async def test_sums_are_exact_decimals(questions: Questions) -> None:
    amounts = [0.29, 0.1, 0.2, 900_000_000_000.0001, -0.0001]
    events = [Event(1, "trade", 1_000 + n, f"m{n}", {"amount": a}) for n, a in enumerate(amounts)]
    world = await loaded(questions, events=events, person_of={1: 1})
    found = {}
    for measure in (pb.MEASURE_SUM, pb.MEASURE_AVERAGE):
        request = pb.QueryEventsRequest(
            project_id=world.project, event=EVENT, measure=measure, measure_property="amount"
        )
        found[measure] = (await questions.rpc.QueryEvents(request, None)).total.measure
    assert found[pb.MEASURE_SUM] == "900000000000.5900"
    assert found[pb.MEASURE_AVERAGE] == "180000000000.1180"


async def test_a_later_batch_is_not_seen_and_the_key_says_so(questions: Questions) -> None:
    events = [
        Event(1, "trade", 1_000, "a"),
        Event(2, "trade", 1_000, "b", batch_no=BATCH + 1),
        Event(3, "trade", NOW_MS + 1, "c"),
    ]
    world = await loaded(questions, events=events, person_of={1: 1, 2: 2, 3: 3})
    request = pb.QueryEventsRequest(project_id=world.project, event=EVENT)
    answer = await questions.rpc.QueryEvents(request, None)
    assert (answer.total.events, answer.key.batch_no) == (1, BATCH)
    assert answer.scope.as_of_time_ms == NOW_MS
    again = await questions.rpc.QueryEvents(request, None)
    assert again.key == answer.key


async def test_a_list_stays_that_of_its_count(questions: Questions) -> None:
    events = [Event(1, "trade", 1_000, "a"), Event(2, "trade", 1_000, "b", batch_no=BATCH + 1)]
    world = await loaded(questions, events=events, person_of={1: 1, 2: 2})
    request = pb.QueryEventsRequest(project_id=world.project, event=EVENT)
    answer = await questions.rpc.QueryEvents(request, None)
    questions.watermarks.state = type(questions.watermarks.state)(BATCH + 1, 4, 6)
    page = await questions.rpc.ListMembers(
        pb.ListMembersRequest(project_id=world.project, cell_token=answer.total.cell.token), None
    )
    assert (page.total, page.key.batch_no, page.key.identity_sequence) == (1, BATCH, 3)
    newer = await questions.rpc.QueryEvents(request, None)
    assert newer.total.cell.persons == 2


async def test_a_token_of_another_project_is_refused(questions: Questions) -> None:
    world = await loaded(questions, events=[Event(1, "trade", 1_000)], person_of={1: 1})
    request = pb.QueryEventsRequest(project_id=world.project, event=EVENT)
    token = (await questions.rpc.QueryEvents(request, None)).total.cell.token
    with pytest.raises(InvalidInput) as refusal:
        await questions.rpc.ListMembers(
            pb.ListMembersRequest(project_id="other", cell_token=token), None
        )
    assert refusal.value.reason == "CELL_TOKEN_INVALID"


async def test_the_latest_trait_holds_and_an_unset_one_is_missing(questions: Questions) -> None:
    traits = [
        Trait(1, "city", "a", sequence=1),
        Trait(1, "city", "b", sequence=2),
        Trait(2, "city", "b", sequence=1),
        Trait(2, "city", None, sequence=3),
        Trait(3, "city", "b", sequence=9),
        Trait(4, "city", "b", valid_from=NOW_MS + 1),
    ]
    world = await loaded(questions, traits=traits, person_of={n: n for n in range(1, 5)})

    async def audience(operator: int, *operands: str) -> set[int]:
        leaf = cpb.TraitCondition(trait="city", operator=operator)
        leaf.operands.extend(value_pb2.Value(string_value=text) for text in operands)
        request = pb.EvaluateAudienceRequest(
            project_id=world.project, condition=cpb.Condition(trait=leaf)
        )
        return set(BitMap.deserialize((await questions.rpc.EvaluateAudience(request, None)).bitmap))

    assert await audience(cpb.OPERATOR_EQ, "b") == {1}
    assert await audience(cpb.OPERATOR_NOT_EXISTS) == {2, 3, 4}
    assert await audience(cpb.OPERATOR_NE, "a") == {1}


async def test_groups_are_compared_and_opened(questions: Questions) -> None:
    buyers = [*range(1, 61), *range(401, 409)]
    events = [Event(n, "trade", 1_000 + n) for n in buyers]
    world = await loaded(questions, events=events, person_of={n: n for n in range(1, 501)})
    request = pb.CompareGroupsRequest(
        project_id=world.project,
        treated_bitmap=BitMap(range(1, 401)).serialize(),
        control_bitmap=BitMap(range(401, 501)).serialize(),
        goal=EVENT,
    )
    answer = await questions.rpc.CompareGroups(request, None)
    assert (answer.treated.converted.persons, answer.control.converted.persons) == (60, 8)
    assert round(answer.difference.value, 3) == 0.07
    assert answer.difference.low < answer.difference.value < answer.difference.high
    assert answer.significant == (answer.difference.low > 0)
    opening = pb.ListMembersRequest(
        project_id=world.project, cell_token=answer.control.converted.token, page_size=5
    )
    page = await questions.rpc.ListMembers(opening, None)
    assert ([m.person_no for m in page.members], page.total) == ([*range(401, 406)], 8)
    opening.page_token = page.next_page_token
    last = await questions.rpc.ListMembers(opening, None)
    assert [m.person_no for m in last.members] == [406, 407, 408]
    assert not last.next_page_token
    restarted = Questions(questions.engine)
    restarted.rpc._cells = questions.rpc._cells
    opening.page_token = ""
    with pytest.raises(PreconditionFailed) as refusal:
        await restarted.rpc.ListMembers(opening, None)
    assert refusal.value.reason == "CELL_EXPIRED"


async def test_why_somebody_is_out(questions: Questions) -> None:
    events = [Event(2, "trade", 1_000 + n, f"m{n}") for n in range(12)]
    traits = [Trait(1, "risk", "C3")]
    world = await loaded(questions, events=events, traits=traits, person_of={1: 1, 2: 1})
    few = cpb.EventCountCondition(event=EVENT, operator=cpb.OPERATOR_LT, operands=[6])
    risk = cpb.TraitCondition(trait="risk", operator=cpb.OPERATOR_EXISTS)
    leaves = [cpb.Condition(event_count=few), cpb.Condition(trait=risk)]
    condition = cpb.Condition(all_of=cpb.AllOf(conditions=leaves))
    answer = await questions.rpc.ExplainAudience(
        pb.ExplainAudienceRequest(project_id=world.project, condition=condition, person_no=1), None
    )
    assert not answer.member
    found = [(n.node, n.parent, n.text, n.holds, n.found) for n in answer.nodes]
    assert found == [
        (0, 0, "all of 2", False, ""),
        (1, 0, "trade < 6", False, "12 events"),
        (2, 0, "risk exists", True, "risk = C3"),
    ]
    assert list(answer.nodes[1].event_times_ms) == [1_011 - n for n in range(10)]


BAD = [
    ("steps", pb.QueryFunnelRequest(steps=[EVENT])),
    ("window_ms", pb.QueryFunnelRequest(steps=[EVENT, EVENT], window_ms=1)),
    *(
        (
            "scope.zone",
            pb.QueryFunnelRequest(steps=[EVENT, EVENT], scope=question_pb2.Scope(zone=zone)),
        )
        for zone in (
            "Mars/Base",
            "../etc",
            "right/Asia/Shanghai",
            "posix/Asia/Shanghai",
            "posixrules",
        )
    ),
    ("steps[1].event_name", pb.QueryFunnelRequest(steps=[EVENT, cpb.EventFilter()])),
    (
        "scope.from_time_ms",
        pb.QueryFunnelRequest(steps=[EVENT, EVENT], scope=question_pb2.Scope(from_time_ms=-5)),
    ),
    (
        "scope.persons",
        pb.QueryFunnelRequest(
            steps=[EVENT, EVENT], scope=question_pb2.Scope(persons=cpb.Condition())
        ),
    ),
]


@pytest.mark.parametrize(("field", "request_"), BAD)
async def test_the_field_is_named(questions: Questions, field: str, request_: Any) -> None:
    with pytest.raises(InvalidInput) as refusal:
        await questions.rpc.QueryFunnel(request_, None)
    assert refusal.value.field == field


@pytest.mark.parametrize("data", [b"\0", b"garbage" * 9, BitMap(range(9999)).serialize()[:-3]])
async def test_a_broken_bitmap_is_refused(questions: Questions, data: bytes) -> None:
    with pytest.raises(DomainError):
        await questions.rpc.CompareGroups(
            pb.CompareGroupsRequest(project_id="p", treated_bitmap=data, goal=EVENT), None
        )


async def test_the_same_state_is_answered_from_what_is_kept(questions: Questions) -> None:
    events = [Event(1, "trade", 1_000, "a"), Event(2, "trade", 1_000, "b", batch_no=BATCH + 1)]
    world = await loaded(questions, events=events, person_of={1: 1, 2: 2})
    results = questions.asking.results
    results.kept.most_bytes = 1_000_000
    request = pb.QueryEventsRequest(project_id=world.project, event=EVENT)
    first = await questions.rpc.QueryEvents(request, None)
    asked = results.misses
    assert await questions.rpc.QueryEvents(request, None) == first
    assert (results.misses, results.hits) == (asked, asked)
    questions.watermarks.state = type(questions.watermarks.state)(BATCH + 1, 3, 5)
    newer = await questions.rpc.QueryEvents(request, None)
    assert (newer.total.events, first.total.events) == (2, 1)
    assert results.misses > asked
    request_members = pb.ListMembersRequest(
        project_id=world.project, cell_token=first.total.cell.token
    )
    before = await questions.rpc.ListMembers(request_members, None)
    await questions.engine.command(
        "INSERT INTO person SELECT project_id, person_no, 'erased', sequence + 1 FROM person"
        " WHERE project_id = {p:String}",
        {"p": world.project},
    )
    after = await questions.rpc.ListMembers(request_members, None)
    assert [member.person_no for member in before.members] == [1]
    assert [member.person_id for member in after.members] == ["erased"]
    another = await loaded(questions, events=events[:1], person_of={1: 1})
    request.project_id = another.project
    assert (await questions.rpc.QueryEvents(request, None)).total.events == 1


async def test_a_property_is_read_as_text_alone_until_it_comes_otherwise(
    questions: Questions, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [Event(1, "trade", 1_000, "a", {"level": "gold"}), Event(1, "trade", 1_000, "b")]
    world = await loaded(questions, events=events, person_of={1: 1, 2: 2, 3: 3})
    request = pb.QueryEventsRequest(
        project_id=world.project,
        event=EVENT,
        breakdown=question_pb2.Breakdown(event_property="level"),
    )
    asked: list[str] = []
    query = questions.engine.query

    async def spy(sql: str, *values: Any, **more: Any) -> Any:
        asked.append(sql)
        return await query(sql, *values, **more)

    monkeypatch.setattr(questions.engine, "query", spy)
    first = await questions.rpc.QueryEvents(request, None)
    assert {(row.group.value, row.group.missing) for row in first.rows} == {
        ("gold", False),
        ("", True),
    }
    assert "bool_properties" in asked[0]
    assert "bool_properties" not in asked[-1]

    other = [
        Event(2, "trade", 1_000, "c", {"level": 3.0}, batch_no=BATCH + 1),
        Event(3, "trade", 1_000, "d", {"level": True}, batch_no=BATCH + 1),
    ]
    await questions.load([replace(world, events=other)])
    again = await questions.rpc.QueryEvents(request, None)
    assert again.key == first.key
    assert "bool_properties" in asked[-1]
    questions.watermarks.state = type(questions.watermarks.state)(BATCH + 1, 3, 5)
    newer = await questions.rpc.QueryEvents(request, None)
    assert {row.group.value for row in newer.rows} == {"gold", "", "3", "true"}


async def test_a_kept_answer_asks_the_engine_nothing(
    questions: Questions, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await loaded(questions, events=[Event(1, "trade", 1_000, "a")], person_of={1: 1})
    questions.asking.results.kept.most_bytes = 1_000_000
    request = pb.QueryEventsRequest(
        project_id=world.project,
        event=EVENT,
        breakdown=question_pb2.Breakdown(event_property="level"),
    )
    first = await questions.rpc.QueryEvents(request, None)

    async def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a statement was run")

    monkeypatch.setattr(questions.engine, "query", refuse)
    assert await questions.rpc.QueryEvents(request, None) == first
