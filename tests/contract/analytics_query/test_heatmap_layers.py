"""Heatmaps: clicks by place and element, visits by depth, equal to plain counts."""

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.condition_oracle import is_meant
from oracle.strategies import AS_OF_MS, HOUR_MS, event_filters
from oracle.texts import property_text
from siyu.analytics.v1 import heatmap_pb2 as pb
from siyu.condition.v1 import condition_pb2 as cpb
from support.analytics_cells import cases_of, few, lots, members
from support.analytics_questions import Event, Questions, World
from support.analytics_worlds import persons_of, world_of

LOW = AS_OF_MS - 30 * HOUR_MS


@st.composite
def questions_of_heatmaps(draw: st.DrawFn) -> pb.QueryHeatmapRequest:
    request = pb.QueryHeatmapRequest(
        clicks=draw(st.lists(event_filters(), max_size=2)),
        visits=draw(st.lists(event_filters(), min_size=1, max_size=2)),
        x_property="amount",
        y_property="kind",
        tag_property="kind",
        element_property="context.lib",
        link_property="amount",
        depth_property="amount",
        points=draw(st.sampled_from([1, 3, 0])),
    )
    request.scope.from_time_ms, request.scope.as_of_time_ms = LOW, AS_OF_MS
    return request


QUESTIONS = questions_of_heatmaps()


@few
@given(cases=cases_of(QUESTIONS, 3))
async def test_heatmaps(questions: Questions, cases: list[Any]) -> None:
    await check_heatmaps(questions, cases)


@pytest.mark.slow
@pytest.mark.timeout(900)
@lots
@given(cases=cases_of(QUESTIONS, 6))
async def test_heatmaps_at_length(questions: Questions, cases: list[Any]) -> None:
    await check_heatmaps(questions, cases)


async def check_heatmaps(questions: Questions, cases: list[Any]) -> None:
    worlds = [world_of(history) for history, _ in cases]
    await questions.load(worlds)
    for world, (history, request) in zip(worlds, cases, strict=True):
        request.project_id = world.project
        answer = await questions.rpc.QueryHeatmap(request, None)
        seen = [
            (number, event)
            for number, person in persons_of(history).items()
            for event in person.events
            if LOW <= event.event_time_ms <= AS_OF_MS
        ]
        clicks = [(n, e) for n, e in seen if any(is_meant(e, x) for x in request.clicks)]
        visits = [(n, e) for n, e in seen if any(is_meant(e, x) for x in request.visits)]
        check_points(request, answer, [event for _, event in clicks])
        await check_elements(questions, request, answer, clicks)
        await check_depths(questions, request, answer, visits)


def check_points(
    request: pb.QueryHeatmapRequest, answer: pb.QueryHeatmapResponse, clicks: list[Any]
) -> None:
    places = [
        (e.number_properties["amount"], e.number_properties["kind"])
        for e in clicks
        if "amount" in e.number_properties and "kind" in e.number_properties
    ]
    assert answer.clicks == len(places)
    found = [(point.x, point.y) for point in answer.points]
    assert len(found) == min(len(places), request.points or 7_000)
    for place in found:
        places.remove(place)


async def check_elements(
    questions: Questions,
    request: pb.QueryHeatmapRequest,
    answer: pb.QueryHeatmapResponse,
    clicks: list[Any],
) -> None:
    expected: dict[str | None, list[int]] = defaultdict(list)
    for number, event in clicks:
        if "kind" in event.string_properties and event.string_properties["kind"] == "a":
            expected[property_text(event, "context.lib")].append(number)
    assert answer.element_clicks == sum(len(people) for people in expected.values())
    assert len(answer.elements) == len(expected)
    for element in answer.elements:
        people = expected[None if element.element.missing else element.element.value]
        assert element.clicks == len(people)
        assert element.share == len(people) / answer.element_clicks
        assert await members(questions, request.project_id, element.persons) == set(people)


async def check_depths(
    questions: Questions,
    request: pb.QueryHeatmapRequest,
    answer: pb.QueryHeatmapResponse,
    visits: list[Any],
) -> None:
    depths = [
        (number, event.number_properties["amount"])
        for number, event in visits
        if "amount" in event.number_properties
    ]
    assert answer.visits == len(depths)
    assert [d.depth for d in answer.depths] == (list(range(0, 101, 5)) if depths else [])
    for point in answer.depths:
        deep = [number for number, depth in depths if depth >= point.depth]
        assert point.visits == len(deep)
        assert await members(questions, request.project_id, point.persons) == set(deep)


async def layers(questions: Questions, events: list[Event], **fields: Any) -> Any:
    world = World(events, {n: n for n in {event.ident for event in events}})
    await questions.load([world])
    request = pb.QueryHeatmapRequest(
        project_id=world.project,
        clicks=[cpb.EventFilter(event_name="web_click")],
        visits=[cpb.EventFilter(event_name="webstay")],
        **fields,
    )
    return await questions.rpc.QueryHeatmap(request, None)


async def test_seven_thousand_points_of_one_more_stay_the_same(questions: Questions) -> None:
    """S-096. Model 9, heatmap."""
    events = [
        Event(1, "web_click", n, f"m{n}", {"page_x": float(n), "page_y": 1.0}) for n in range(7_001)
    ]
    answer = await layers(questions, events)
    assert (answer.clicks, len(answer.points)) == (7_001, 7_000)
    assert len({point.x for point in answer.points}) == 7_000
    again = pb.QueryHeatmapRequest(
        project_id=answer.effective.project_id,
        clicks=[cpb.EventFilter(event_name="web_click")],
    )
    repeated = await questions.rpc.QueryHeatmap(again, None)
    assert list(repeated.points) == list(answer.points)


async def test_a_div_is_clicked_on_the_map_and_is_no_element(questions: Questions) -> None:
    """S-097."""
    tags = ["a", "button", "div", "svg", "svg", "A"]
    events = [
        Event(
            1,
            "web_click",
            n,
            f"m{n}",
            {
                "page_x": 1.0,
                "page_y": 1.0,
                "element_type": tag,
                "element_path": f"/{tag.lower()}",
                "element_href": "/to" if n == 3 else "",
            },
        )
        for n, tag in enumerate(tags)
    ]
    answer = await layers(questions, events)
    assert answer.clicks == 6
    found = [(item.element.value, item.clicks) for item in answer.elements]
    assert found == [("/a", 2), ("/button", 1), ("/svg", 1)]
    assert answer.elements[0].share == 0.5


async def test_depths_of_four_visits(questions: Questions) -> None:
    """S-098."""
    events = [
        Event(n, "webstay", n, properties={"depth": depth})
        for n, depth in enumerate([25.0, 50.0, 50.0, 100.0], start=1)
    ]
    answer = await layers(questions, events)
    shares = {point.depth: point.share for point in answer.depths}
    assert [shares[depth] for depth in (25, 50, 75, 100)] == [1.0, 0.75, 0.25, 0.25]
    ordered = [point.share for point in answer.depths]
    assert ordered == sorted(ordered, reverse=True)
