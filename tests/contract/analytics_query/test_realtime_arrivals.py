"""Realtime: the order of arrival, late events with both times, minutes that open into persons."""

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu.analytics.v1 import realtime_pb2 as pb
from siyu.condition.v1 import condition_pb2 as cpb
from support.analytics_cells import few, lots, members
from support.analytics_questions import BATCH, NOW_MS, Event, Questions, World

MINUTE_MS = 60_000
DAY_MS = 86_400_000


@st.composite
def arrivals(draw: st.DrawFn) -> list[Event]:
    found = []
    for position in range(draw(st.integers(0, 12))):
        received = NOW_MS - draw(st.integers(-1, 5)) * MINUTE_MS - draw(st.sampled_from([0, 1, 9]))
        late = draw(st.sampled_from([0, 1, 3 * DAY_MS, 11 * DAY_MS]))
        event = Event(
            draw(st.integers(1, 3)),
            draw(st.sampled_from(["view", "trade"])),
            received - late,
            f"m{position:02}",
            batch_no=draw(st.sampled_from([BATCH - 1, BATCH, BATCH + 1])),
            received=received,
        )
        found.append(event)
    return found


def arrived(event: Event) -> int:
    assert event.received is not None
    return event.received


CASES = st.lists(
    st.tuples(arrivals(), st.sampled_from([1, 3, 60]), st.sampled_from([1, 4, 500])),
    min_size=1,
    max_size=6,
)


@few
@given(cases=CASES, name=st.sampled_from(["", "view"]))
async def test_arrivals(questions: Questions, cases: list[Any], name: str) -> None:
    await check_arrivals(questions, cases, name)


@pytest.mark.slow
@pytest.mark.timeout(900)
@lots
@given(cases=CASES, name=st.sampled_from(["", "view"]))
async def test_arrivals_at_length(questions: Questions, cases: list[Any], name: str) -> None:
    await check_arrivals(questions, cases, name)


async def check_arrivals(questions: Questions, cases: list[Any], name: str) -> None:
    worlds = [World(events, {1: 1, 2: 1, 3: 3}) for events, _, _ in cases]
    await questions.load(worlds)
    for world, (events, minutes, rows) in zip(worlds, cases, strict=True):
        wanted = [cpb.EventFilter(event_name=name)] if name else []
        request = pb.QueryRealtimeRequest(
            project_id=world.project, events=wanted, minutes=minutes, rows=rows
        )
        answer = await questions.rpc.QueryRealtime(request, None)
        seen = [
            e
            for e in events
            if e.name == (name or e.name)
            and e.batch_no <= BATCH
            and e.time <= NOW_MS
            and NOW_MS - minutes * MINUTE_MS < arrived(e) <= NOW_MS
            and e.time >= NOW_MS - minutes * MINUTE_MS - 10 * DAY_MS
        ]
        latest = sorted(seen, key=lambda e: (arrived(e), e.batch_no, e.message_id), reverse=True)
        told = [(e.message_id, e.event_time_ms, e.received_time_ms) for e in answer.events]
        assert told == [(e.message_id, e.time, arrived(e)) for e in latest[:rows]]
        people: dict[int, list[int]] = defaultdict(list)
        for event in seen:
            minute = arrived(event) // MINUTE_MS * MINUTE_MS
            people[minute].append(world.person_of[event.ident])
        assert [minute.time_ms for minute in answer.minutes] == sorted(people)
        for minute in answer.minutes:
            own = people[minute.time_ms]
            assert minute.events == len(own)
            assert await members(questions, world.project, minute.persons) == set(own)


async def test_the_last_five_hundred_and_a_late_one_with_both_its_times(
    questions: Questions,
) -> None:
    """Model 4, realtime."""
    events = [
        Event(1, "view", NOW_MS - n, f"m{n:03}", batch_no=BATCH, received=NOW_MS - n)
        for n in range(10, 520)
    ]
    late = Event(2, "trade", NOW_MS - DAY_MS, "late", batch_no=BATCH, received=NOW_MS - 1)
    world = World([*events, late], {1: 1, 2: 2})
    await questions.load([world])
    request = pb.QueryRealtimeRequest(project_id=world.project, rows=500)
    answer = await questions.rpc.QueryRealtime(request, None)
    assert len(answer.events) == 500
    first = answer.events[0]
    assert (first.message_id, first.event_time_ms, first.received_time_ms) == (
        "late",
        NOW_MS - DAY_MS,
        NOW_MS - 1,
    )
    assert [event.message_id for event in answer.events[1:4]] == ["m010", "m011", "m012"]
    assert sum(minute.events for minute in answer.minutes) == 511
