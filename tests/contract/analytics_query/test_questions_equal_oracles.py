"""Every number and every list equals what plain Python finds; many projects in one insert."""

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from oracle.condition_oracle import holds, is_meant, values_of
from oracle.funnel_oracle import FunnelQuestion, Path, best_path
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
from siyu.type.v1 import value_pb2
from support.analytics_questions import Questions
from support.analytics_worlds import persons_of, world_of

many = settings(
    max_examples=4,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
        HealthCheck.large_base_example,
    ],
)
LOW, HIGH = AS_OF_MS - 6 * HOUR_MS, AS_OF_MS + 1


async def members(questions: Questions, project: str, cell: pb.Cell) -> set[int]:
    found: set[int] = set()
    token = ""
    while True:
        request = pb.ListMembersRequest(
            project_id=project, cell_token=cell.token, page_size=5, page_token=token
        )
        page = await questions.rpc.ListMembers(request, None)
        assert page.total == cell.persons
        found |= {member.person_no for member in page.members}
        token = page.next_page_token
        if not token:
            assert len(found) == cell.persons
            return found


@many
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


@many
@given(
    cases=st.lists(
        st.tuples(histories(), st.lists(event_filters(), min_size=2, max_size=4)),
        min_size=1,
        max_size=8,
    ),
    strict=st.booleans(),
    window_ms=st.sampled_from([1_000, HOUR_MS, 3 * HOUR_MS]),
    split=st.sampled_from(["", "kind", "context.lib", "city"]),
    limit=st.sampled_from([0, 1]),
)
async def test_funnels(
    questions: Questions,
    cases: list[tuple[History, list[cpb.EventFilter]]],
    strict: bool,
    window_ms: int,
    split: str,
    limit: int,
) -> None:
    worlds = [world_of(history) for history, _ in cases]
    await questions.load(worlds)
    order = pb.FUNNEL_ORDER_STRICT if strict else pb.FUNNEL_ORDER_SEQUENTIAL
    for world, (history, steps) in zip(worlds, cases, strict=True):
        request = pb.QueryFunnelRequest(
            project_id=world.project, steps=steps, window_ms=window_ms, order=order
        )
        request.scope.from_time_ms, request.scope.to_time_ms = LOW, HIGH - 1
        request.scope.as_of_time_ms = AS_OF_MS
        if split:
            setattr(request.breakdown, "trait" if split == "city" else "event_property", split)
            request.breakdown.limit = limit
        answer = await questions.rpc.QueryFunnel(request, None)
        question = FunnelQuestion(steps, LOW, HIGH - 1, AS_OF_MS, window_ms, strict)
        persons = persons_of(history)
        paths = {n: p for n, x in persons.items() if (p := best_path(question, x.events))}
        await check_group(questions, world.project, answer.total, paths)
        if split:
            groups = split_paths(split, paths, history)
            await check_groups(questions, world.project, answer, groups, limit or 50)


async def check_group(
    questions: Questions, project: str, group: pb.FunnelGroup, paths: dict[int, Path]
) -> None:
    for place, step in enumerate(group.steps):
        reached = {n for n, path in paths.items() if len(path.times) > place}
        assert await members(questions, project, step.reached) == reached
        if place:
            waits = [paths[n].times[place] - paths[n].times[place - 1] for n in reached]
            assert step.HasField("median_ms") == bool(waits)
            assert step.median_ms == (median(waits) if waits else 0)
        if step.HasField("lost"):
            stay = {n for n in reached if len(paths[n].times) == place + 1}
            assert await members(questions, project, step.lost) == stay


async def check_groups(
    questions: Questions,
    project: str,
    answer: pb.QueryFunnelResponse,
    groups: dict[str | None, dict[int, Path]],
    limit: int,
) -> None:
    ranked = sorted(groups, key=lambda g: (-len(groups[g]), g is None, (g or "").encode()))
    found = [None if g.group.missing else g.group.value for g in answer.groups if not g.group.other]
    assert found == ranked[:limit]
    for message in answer.groups:
        if message.group.other:
            rest = {n: p for g in ranked[limit:] for n, p in groups[g].items()}
            await check_group(questions, project, message, rest)
        else:
            key = None if message.group.missing else message.group.value
            await check_group(questions, project, message, groups[key])
    assert len(answer.groups) == min(len(ranked), limit + 1)


def split_paths(
    split: str, paths: dict[int, Path], history: History
) -> dict[str | None, dict[int, Path]]:
    groups: dict[str | None, dict[int, Path]] = defaultdict(dict)
    for number, path in paths.items():
        if split == "city":
            groups[text(history.traits.get(number, {}).get("city"))][number] = path
        else:
            groups[property_text(path.entry, split)][number] = path
    return dict(groups)


def property_text(event: Any, name: str) -> str | None:
    values = values_of(event, name)
    return text(values[0]) if values else None


def text(value: value_pb2.Value | None) -> str | None:
    if value is None:
        return None
    match value.WhichOneof("kind"):
        case "number_value":
            return f"{value.number_value:g}"
        case "bool_value":
            return "true" if value.bool_value else "false"
        case "list_value":
            return ",".join(value.list_value.values)
        case kind:
            return str(getattr(value, str(kind)))


@many
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


@many
@given(
    cases=st.lists(st.tuples(histories(), event_filters()), min_size=1, max_size=8),
    granularity=st.sampled_from(pb.Granularity.values()),
    split=st.sampled_from(["", "kind", "city"]),
    zone=st.sampled_from(ZONES),
)
async def test_events(
    questions: Questions, cases: list[Any], granularity: Any, split: str, zone: str
) -> None:
    worlds = [world_of(history) for history, _ in cases]
    await questions.load(worlds)
    for world, (history, wanted) in zip(worlds, cases, strict=True):
        request = pb.QueryEventsRequest(
            project_id=world.project,
            event=wanted,
            granularity=granularity,
            measure=pb.MEASURE_SUM,
            measure_property="amount",
        )
        request.scope.from_time_ms, request.scope.as_of_time_ms = LOW, AS_OF_MS
        request.scope.zone = zone
        if split:
            setattr(request.breakdown, "trait" if split == "city" else "event_property", split)
        answer = await questions.rpc.QueryEvents(request, None)
        expected = expected_rows(history, wanted, split, lambda t: bucket(t, granularity, zone))
        assert len(answer.rows) == len(expected)
        for row in answer.rows:
            group = None if row.group.missing or not split else row.group.value
            await check_row(questions, world.project, row, expected[row.time_ms, group])
        everything = [item for items in expected.values() for item in items]
        await check_row(questions, world.project, answer.total, everything)


def bucket(time_ms: int, granularity: int, zone: str) -> int:
    local = datetime.fromtimestamp(time_ms // 1000, ZoneInfo(zone))
    if granularity == pb.GRANULARITY_UNSPECIFIED:
        return 0
    local = local.replace(minute=0, second=0)
    if granularity == pb.GRANULARITY_DAY:
        local = local.replace(hour=0)
    return int(local.timestamp()) * 1000


def expected_rows(
    history: History, wanted: cpb.EventFilter, split: str, bucket_of: Callable[[int], int]
) -> dict[Any, list[Any]]:
    rows: dict[Any, list[Any]] = defaultdict(list)
    for number, person in persons_of(history).items():
        for event in person.events:
            if LOW <= event.event_time_ms <= AS_OF_MS and is_meant(event, wanted):
                group = property_text(event, split) if split else None
                if split == "city":
                    group = text(person.traits.get("city"))
                rows[bucket_of(event.event_time_ms), group].append((number, event))
    return rows


async def check_row(questions: Questions, project: str, row: pb.EventRow, items: Any) -> None:
    assert row.events == len(items)
    assert await members(questions, project, row.cell) == {number for number, _ in items}
    amounts = [
        round(event.number_properties["amount"] * 10_000)
        for _, event in items
        if "amount" in event.number_properties
    ]
    if amounts:
        assert float(row.measure) == pytest.approx(sum(amounts) / 10_000)
    else:
        assert not row.measure
