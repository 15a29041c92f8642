"""Every number and every list equals what plain Python finds; many projects in one insert."""

from collections import defaultdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from oracle.condition_oracle import holds, is_meant
from oracle.strategies import (
    AS_OF_MS,
    HOUR_MS,
    ZONES,
    History,
    conditions,
    event_filters,
    histories,
)
from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.condition.v1 import condition_pb2 as cpb
from support.analytics_cells import few, members
from support.analytics_questions import Questions
from support.analytics_worlds import persons_of, world_of

LOW, HIGH = AS_OF_MS - 6 * HOUR_MS, AS_OF_MS + 1


@few
@given(
    cases=st.lists(st.tuples(histories(), conditions()), min_size=1, max_size=12),
    zone=st.sampled_from(ZONES),
)
async def test_conditions(
    questions: Questions, cases: list[tuple[History, cpb.Condition]], zone: str
) -> None:
    worlds = [world_of(history) for history, _ in cases]
    await questions.load(worlds)
    for world, (history, condition) in zip(worlds, cases, strict=True):
        request = pb.EvaluateAudienceRequest(
            project_id=world.project, condition=condition, as_of_time_ms=AS_OF_MS, zone=zone
        )
        answer = await questions.rpc.EvaluateAudience(request, None)
        persons = persons_of(history)
        expected = {n for n, p in persons.items() if holds(condition, p, AS_OF_MS, zone)}
        assert set(BitMap.deserialize(answer.bitmap)) == expected
        assert answer.population == len(persons)
        number = min(persons)
        why = await questions.rpc.ExplainAudience(
            pb.ExplainAudienceRequest(
                project_id=world.project,
                condition=condition,
                person_no=number,
                as_of_time_ms=AS_OF_MS,
                zone=zone,
            ),
            None,
        )
        assert why.member == (number in expected) == why.nodes[0].holds


@few
@given(
    cases=st.lists(
        st.tuples(histories(), st.tuples(event_filters(), event_filters(), event_filters())),
        min_size=1,
        max_size=8,
    )
)
async def test_conversions(questions: Questions, cases: list[Any]) -> None:
    worlds = [world_of(history) for history, _ in cases]
    await questions.load(worlds)
    for world, (history, (start, goal, behaviour)) in zip(worlds, cases, strict=True):
        definition = pb.ConversionDefinition(start=start, goal=goal, behaviour=behaviour)
        definition.scope.from_time_ms, definition.scope.to_time_ms = LOW, HIGH - 2
        definition.scope.as_of_time_ms = AS_OF_MS
        request = pb.QueryConversionRequest(
            project_id=world.project, definition=definition, bounds=[1, 2]
        )
        answer = await questions.rpc.QueryConversion(request, None)
        shown: dict[int, set[int]] = defaultdict(set)
        converted: set[int] = set()
        for number, person in persons_of(history).items():
            seen = [e for e in person.events if LOW <= e.event_time_ms < HIGH - 2]
            starts = [e.event_time_ms for e in seen if is_meant(e, start)]
            if starts:
                times = sum(is_meant(e, behaviour) for e in seen)
                shown[min(times, 2)].add(number)
                if any(is_meant(e, goal) and e.event_time_ms >= min(starts) for e in seen):
                    converted.add(number)
        for place, bucket in enumerate(answer.buckets):
            assert await members(questions, world.project, bucket.persons) == shown[place]
            both = shown[place] & converted
            assert await members(questions, world.project, bucket.converted) == both
