"""Sessions equal what plain Python finds; the manual's example, number and list."""

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.calendar_oracle import period_start
from oracle.events_oracle import group_of
from oracle.session_oracle import sessions_of, views_of
from oracle.strategies import AS_OF_MS, HOUR_MS, NAMES, ZONES, event_filters
from oracle.texts import property_text
from siyu.analytics.v1 import question_pb2
from siyu.analytics.v1 import session_pb2 as pb
from siyu.type.v1 import result_key_pb2
from support.analytics_cells import cases_of, draw_split_over_time, few, lots, members
from support.analytics_questions import Event, Questions, World
from support.analytics_worlds import persons_of, world_of

Item = tuple[int, list[Any]]
"""A person and a session."""


@st.composite
def questions_of_sessions(draw: st.DrawFn) -> pb.QuerySessionsRequest:
    request = pb.QuerySessionsRequest(
        pages=draw(st.lists(event_filters(), max_size=2)),
        granularity=draw(st.sampled_from(question_pb2.Granularity.values())),
        page_property=draw(st.sampled_from(["", "kind"])),
    )
    rule = request.rule
    rule.events.extend(draw(st.lists(event_filters(), max_size=2)))
    rule.starting.extend(draw(st.lists(event_filters(), max_size=1)))
    rule.excluded_names.extend(draw(st.lists(st.sampled_from(NAMES), max_size=1)))
    rule.timeout_ms = draw(st.sampled_from([0, 1_000, HOUR_MS, 3 * HOUR_MS]))
    rule.over_midnight = draw(st.booleans())
    rule.change_property = draw(st.sampled_from(["", "kind"]))
    draw_split_over_time(draw, request)
    request.scope.from_time_ms = AS_OF_MS - draw(st.sampled_from([8, 200])) * HOUR_MS
    request.scope.to_time_ms = AS_OF_MS - draw(st.sampled_from([-1, 1])) * HOUR_MS
    request.scope.as_of_time_ms = AS_OF_MS
    request.scope.zone = draw(st.sampled_from(ZONES))
    return request


QUESTIONS = questions_of_sessions()


@few
@given(cases=cases_of(QUESTIONS, 3))
async def test_sessions(questions: Questions, cases: list[Any]) -> None:
    await check_sessions(questions, cases)


@pytest.mark.slow
@pytest.mark.timeout(900)
@lots
@given(cases=cases_of(QUESTIONS, 6))
async def test_sessions_at_length(questions: Questions, cases: list[Any]) -> None:
    await check_sessions(questions, cases)


async def check_sessions(questions: Questions, cases: list[Any]) -> None:
    worlds = [world_of(history) for history, _ in cases]
    await questions.load(worlds)
    for world, (history, request) in zip(worlds, cases, strict=True):
        request.project_id = world.project
        answer = await questions.rpc.QuerySessions(request, None)
        by = request.breakdown.WhichOneof("by") or ""
        name = getattr(request.breakdown, by) if by else ""
        rows: dict[Any, list[Item]] = defaultdict(list)
        for number, person in persons_of(history).items():
            for session in sessions_of(request, person.events):
                time_ms = session[0].event_time_ms
                start = period_start(time_ms, request.granularity, request.scope.zone)
                rows[start, group_of(session[0], person, by, name)].append((number, session))
        found = {}
        for row in answer.rows:
            named = row.HasField("group") and not row.group.missing
            found[row.time_ms, row.group.value if named else None] = row
        assert set(found) == set(rows)
        for key, items in rows.items():
            await check_row(questions, request, found[key], items)
        everything = [item for items in rows.values() for item in items]
        await check_row(questions, request, answer.total, everything)
        await check_pages(questions, request, answer, everything)


async def check_row(
    questions: Questions, request: pb.QuerySessionsRequest, row: pb.SessionRow, items: list[Item]
) -> None:
    project = request.project_id
    views = [(n, views_of(request, session)) for n, session in items]
    took = [(n, s[-1].event_time_ms - s[0].event_time_ms) for n, s in items]
    assert row.sessions == len(items)
    assert row.events == sum(len(session) for _, session in items)
    assert row.page_views == sum(len(seen) for _, seen in views)
    assert row.duration_ms == sum(length for _, length in took)
    assert row.dwell_ms == sum(looked for _, seen in views for _, looked in seen)
    assert await members(questions, project, row.persons) == {n for n, _ in items}
    bounces = [n for n, seen in views if len(seen) == 1]
    assert row.bounces == len(bounces)
    assert row.bounce_rate == (len(bounces) / len(items) if items else 0)
    assert await members(questions, project, row.bounced) == set(bounces)
    depths = [(n, len(seen)) for n, seen in views]
    for buckets, values in ((row.lengths, took), (row.depths, depths)):
        assert sum(bucket.sessions for bucket in buckets) == len(items)
        for bucket in buckets:
            inside = [
                n for n, v in values if bucket.low <= v and (not bucket.high or v < bucket.high)
            ]
            assert bucket.sessions == len(inside)
            if inside:
                assert await members(questions, project, bucket.persons) == set(inside)


async def check_pages(
    questions: Questions,
    request: pb.QuerySessionsRequest,
    answer: pb.QuerySessionsResponse,
    items: list[Item],
) -> None:
    expected: dict[str | None, list[tuple[int, int, bool]]] = defaultdict(list)
    for number, session in items if request.page_property else []:
        views = views_of(request, session)
        for place, (event, looked) in enumerate(views, start=1):
            page = property_text(event, request.page_property)
            expected[page].append((number, looked, place == len(views)))
    assert len(answer.pages) == len(expected)
    for page in answer.pages:
        seen = expected[None if page.page.missing else page.page.value]
        assert page.views == len(seen)
        assert page.exits == sum(leaves for _, _, leaves in seen)
        assert page.dwell_ms == sum(looked for _, looked, _ in seen)
        people = {number for number, _, _ in seen}
        assert await members(questions, request.project_id, page.persons) == people


async def test_sessions_are_cut_at_midnight_and_after_the_timeout(questions: Questions) -> None:
    """Model 3, session."""
    midnight = 1_790_006_400_000  # 2026-09-22 00:00 in Shanghai
    seconds = [-20 * 60, -5 * 60, 5 * 60, 36 * 60 + 1, 50 * 60]
    world = World([Event(1, "view", midnight + s * 1000, f"m{s}") for s in seconds], {1: 1})
    await questions.load([world])
    lengths = {}
    for over in (False, True):
        request = pb.QuerySessionsRequest(project_id=world.project)
        request.rule.over_midnight = over
        answer = await questions.rpc.QuerySessions(request, None)
        total = answer.total
        lengths[over] = (total.sessions, total.events, total.duration_ms)
        assert answer.effective.rule.timeout_ms == 1_800_000
    assert lengths == {False: (3, 5, 900_000 + 0 + 839_000), True: (2, 5, 1_500_000 + 839_000)}


async def test_a_lone_freshness_stays_in_the_echo(questions: Questions) -> None:
    world = World([Event(1, "view", 5)], {1: 1})
    await questions.load([world])
    request = pb.QuerySessionsRequest(project_id=world.project)
    request.scope.freshness.CopyFrom(result_key_pb2.Freshness(min_batch_no=1))
    first = await questions.rpc.QuerySessions(request, None)
    assert first.effective.scope.freshness.min_batch_no == 1
    request.scope.ClearField("freshness")
    again = await questions.rpc.QuerySessions(request, None)
    assert first.key == again.key
