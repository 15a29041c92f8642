"""Paths equal what plain Python finds, and their flows add up."""

from collections import Counter, defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.path_oracle import paths_of
from oracle.strategies import AS_OF_MS, HOUR_MS, NAMES, ZONES, event_filters
from siyu.analytics.v1 import path_pb2 as pb
from siyu.condition.v1 import condition_pb2 as cpb
from support.analytics_cells import cases_of, few, lots, members
from support.analytics_questions import Event, Questions, World
from support.analytics_worlds import persons_of, world_of

OTHER = ("", False, None)
ENDED, CUT = "ended", "cut"


@st.composite
def questions_of_paths(draw: st.DrawFn) -> pb.QueryPathsRequest:
    request = pb.QueryPathsRequest(
        target=draw(event_filters()),
        backwards=draw(st.booleans()),
        limit_ms=draw(st.sampled_from([1_000, HOUR_MS, 4 * HOUR_MS])),
        steps=draw(st.sampled_from([2, 3, 6])),
        nodes=draw(st.sampled_from([1, 2, 20])),
    )
    if draw(st.booleans()):
        request.split_event, request.split_property = draw(st.sampled_from(NAMES)), "kind"
    request.rule.events.extend(draw(st.lists(event_filters(), max_size=2)))
    request.rule.timeout_ms = draw(st.sampled_from([0, HOUR_MS, 3 * HOUR_MS]))
    request.rule.over_midnight = draw(st.booleans())
    request.scope.from_time_ms = AS_OF_MS - draw(st.sampled_from([8, 200])) * HOUR_MS
    request.scope.to_time_ms = AS_OF_MS - draw(st.sampled_from([-1, 1])) * HOUR_MS
    request.scope.as_of_time_ms = AS_OF_MS
    request.scope.zone = draw(st.sampled_from(ZONES))
    return request


QUESTIONS = questions_of_paths()


@few
@given(cases=cases_of(QUESTIONS, 3))
async def test_paths(questions: Questions, cases: list[Any]) -> None:
    await check_paths(questions, cases)


@pytest.mark.slow
@pytest.mark.timeout(900)
@lots
@given(cases=cases_of(QUESTIONS, 6))
async def test_paths_at_length(questions: Questions, cases: list[Any]) -> None:
    await check_paths(questions, cases)


async def check_paths(questions: Questions, cases: list[Any]) -> None:
    worlds = [world_of(history) for history, _ in cases]
    await questions.load(worlds)
    for world, (history, request) in zip(worlds, cases, strict=True):
        request.project_id = world.project
        answer = await questions.rpc.QueryPaths(request, None)
        persons = persons_of(history)
        found = [(n, path) for n, p in persons.items() for path in paths_of(request, p.events)]
        assert answer.paths == len(found)
        counts = Counter(name for _, path in found for name in path.names)
        ranked = sorted(counts, key=lambda name: (-counts[name], encoded(name)))
        kept = set(ranked[: request.nodes])
        nodes: dict[Any, list[int]] = defaultdict(list)
        moves: dict[Any, list[int]] = defaultdict(list)
        for number, path in found:
            names = [name if name in kept else OTHER for name in path.names]
            end = CUT if path.more else ENDED
            for step, (here, there) in enumerate(zip(names, [*names[1:], end], strict=True)):
                nodes[step, here].append(number)
                moves[step, here, there].append(number)
        await check_nodes(questions, answer, nodes, moves)
        await check_links(questions, answer, moves)
        check_flows(answer)


def encoded(name: Any) -> bytes:
    event, split, value = name
    mark = "" if not split else "\0m" if value is None else f"\0v{value}"
    return str(event + mark).encode()


def plain(name: pb.PathName) -> Any:
    if name.other:
        return OTHER
    split = name.HasField("value")
    value = name.value.value if split and not name.value.missing else None
    return name.event_name, split, value


async def check_nodes(
    questions: Questions, answer: pb.QueryPathsResponse, nodes: Any, moves: Any
) -> None:
    project = answer.effective.project_id
    assert {(node.step, plain(node.name)) for node in answer.nodes} == set(nodes)
    for node in answer.nodes:
        key = node.step, plain(node.name)
        assert node.paths == len(nodes[key])
        assert await members(questions, project, node.persons) == set(nodes[key])
        ended = moves.get((*key, ENDED), [])
        assert node.ended == len(ended)
        assert await members(questions, project, node.ended_persons) == set(ended)
        assert node.cut == len(moves.get((*key, CUT), []))


async def check_links(questions: Questions, answer: pb.QueryPathsResponse, moves: Any) -> None:
    project = answer.effective.project_id
    expected = {key: people for key, people in moves.items() if key[2] not in (ENDED, CUT)}
    found = {(x.step, plain(x.near), plain(x.far)): x for x in answer.links}
    assert set(found) == set(expected)
    for key, link in found.items():
        assert link.paths == len(expected[key])
        assert await members(questions, project, link.persons) == set(expected[key])


def check_flows(answer: pb.QueryPathsResponse) -> None:
    out: Counter[Any] = Counter()
    into: Counter[Any] = Counter()
    for link in answer.links:
        out[link.step, plain(link.near)] += link.paths
        into[link.step + 1, plain(link.far)] += link.paths
    for node in answer.nodes:
        key = node.step, plain(node.name)
        assert node.paths == node.ended + node.cut + out[key]
        assert node.paths == into[key] or node.step == 0


async def test_what_lies_beyond_the_limit_is_not_in_the_path(questions: Questions) -> None:
    """Model 7, path."""
    names = [("launch", 0), ("A", 5), ("B", 20), ("C", 31)]
    world = World([Event(1, name, minute * 60_000) for name, minute in names], {1: 1})
    await questions.load([world])
    request = pb.QueryPathsRequest(
        project_id=world.project, target=cpb.EventFilter(event_name="launch")
    )
    answer = await questions.rpc.QueryPaths(request, None)
    assert [node.name.event_name for node in answer.nodes] == ["launch", "A", "B"]
    assert [node.ended for node in answer.nodes] == [0, 0, 1]
    assert answer.effective.limit_ms == 30 * 60_000
