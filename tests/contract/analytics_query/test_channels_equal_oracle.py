"""Channels equal what plain Python counts; the paper's table in one answer."""

from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.condition_oracle import is_meant
from oracle.session_oracle import sessions_of, views_of
from oracle.strategies import AS_OF_MS, HOUR_MS, ZONES, event_filters
from oracle.texts import property_text
from siyu.analytics.v1 import channel_pb2 as pb
from siyu.analytics.v1 import session_pb2
from siyu.condition.v1 import condition_pb2 as cpb
from support.analytics_cells import cases_of, few, lots, members
from support.analytics_questions import Event, Questions, World
from support.analytics_worlds import persons_of, world_of

Item = tuple[int, list[Any]]
"""A person and a session."""
MARKS = ("new_event", "register_event", "open_event", "deposit_event")
CELLS = ("fresh", "registered", "opened", "deposited")


@st.composite
def questions_of_channels(draw: st.DrawFn) -> pb.QueryChannelsRequest:
    request = pb.QueryChannelsRequest(pages=draw(st.lists(event_filters(), max_size=2)))
    for mark in MARKS:
        if draw(st.booleans()):
            getattr(request, mark).CopyFrom(draw(event_filters()))
    request.amount_property = draw(st.sampled_from(["", "amount"]))
    request.rule.timeout_ms = draw(st.sampled_from([1_000, HOUR_MS, 3 * HOUR_MS]))
    request.channel.event_property = draw(st.sampled_from(["kind", "context.lib"]))
    request.scope.from_time_ms = AS_OF_MS - draw(st.sampled_from([8, 200])) * HOUR_MS
    request.scope.to_time_ms = AS_OF_MS - draw(st.sampled_from([-1, 1])) * HOUR_MS
    request.scope.as_of_time_ms = AS_OF_MS
    request.scope.zone = draw(st.sampled_from(ZONES))
    return request


QUESTIONS = questions_of_channels()


@few
@given(cases=cases_of(QUESTIONS, 1))
async def test_channels(questions: Questions, cases: list[Any]) -> None:
    await check_channels(questions, cases)


@pytest.mark.slow
@pytest.mark.timeout(900)
@lots
@given(cases=cases_of(QUESTIONS, 6))
async def test_channels_at_length(questions: Questions, cases: list[Any]) -> None:
    await check_channels(questions, cases)


async def check_channels(questions: Questions, cases: list[Any]) -> None:
    worlds = [world_of(history) for history, _ in cases]
    await questions.load(worlds)
    for world, (history, request) in zip(worlds, cases, strict=True):
        request.project_id = world.project
        answer = await questions.rpc.QueryChannels(request, None)
        asked = session_pb2.QuerySessionsRequest(
            scope=request.scope, rule=request.rule, pages=request.pages
        )
        items = [
            (number, session)
            for number, person in persons_of(history).items()
            for session in sessions_of(asked, person.events)
        ]
        channels: dict[str | None, list[Item]] = defaultdict(list)
        for number, session in items:
            source = property_text(session[0], request.channel.event_property)
            channels[source].append((number, session))
        rows = {None if r.channel.missing else r.channel.value: r for r in answer.rows}
        assert set(rows) == set(channels)
        for source, own in channels.items():
            await check_row(questions, request, rows[source], own, items)
        await check_row(questions, request, answer.total, items, items, check_retained=False)
        for name in ("visits", "page_views", "bounces", "dwell_ms"):
            whole = getattr(answer.total, name)
            assert whole == sum(getattr(row, name) for row in answer.rows)


async def check_row(
    questions: Questions,
    request: pb.QueryChannelsRequest,
    row: pb.ChannelRow,
    items: list[Item],
    everything: list[Item],
    *,
    check_retained: bool = True,
) -> None:
    project, zone = request.project_id, request.scope.zone
    asked = session_pb2.QuerySessionsRequest(pages=request.pages)
    people = {number for number, _ in items}
    assert row.visits == len(items)
    assert await members(questions, project, row.persons) == people
    views = [views_of(asked, session) for _, session in items]
    assert row.page_views == sum(len(seen) for seen in views)
    assert row.bounces == sum(len(seen) == 1 for seen in views)
    assert row.dwell_ms == sum(looked for seen in views for _, looked in seen)
    for mark, part in zip(MARKS, CELLS, strict=True):
        wanted = getattr(request, mark)
        have = {
            number
            for number, session in items
            if request.HasField(mark) and any(is_meant(event, wanted) for event in session)
        }
        assert await members(questions, project, getattr(row, part)) == have
    amounts = [
        Decimal(str(event.number_properties["amount"]))
        for _, session in items
        for event in session
        if request.amount_property
        and request.HasField("deposit_event")
        and is_meant(event, request.deposit_event)
        and "amount" in event.number_properties
    ]
    assert Decimal(row.amount) == sum(amounts, Decimal(0))
    if check_retained:
        retained = set()
        for number in people:
            days = {_day(s, zone) for n, s in items if n == number}
            all_days = {_day(s, zone) for n, s in everything if n == number}
            if min(days) + timedelta(days=1) in all_days:
                retained.add(number)
        assert await members(questions, project, row.retained) == retained


def _day(session: list[Any], zone: str) -> Any:
    return datetime.fromtimestamp(session[0].event_time_ms // 1000, ZoneInfo(zone)).date()


PAPER = {
    "A": (1000, 800, 600, 240, 300, 4000, 96_000, 200, 80, 50, 2_500_000),
    "B": (5000, 4500, 4200, 900, 4000, 6750, 135_000, 225, 45, 18, 180_000),
    "C": (200, 180, 150, 90, 40, 1260, 32_400, 72, 45, 36, 3_600_000),
    "D": (150, 140, 120, 12, 110, 210, 4_200, 7, 1, 0, 0),
}
RATES = {
    "A": (0.30, 5.0, 120, 0.25),
    "B": (0.80, 1.5, 30, 0.05),
    "C": (0.20, 7.0, 180, 0.40),
    "D": (0.7333, 1.5, 30, 0.05),
}
MIDNIGHT_MS = 1_790_006_400_000
"""2026-09-22 00:00 in Shanghai."""
DAY_MS = 24 * HOUR_MS


def paper_events(channel: str, first: int) -> list[Event]:
    """Sessions of a channel that come to the paper's row: users from a number on."""
    visits, users, new, registered, single, views, dwell, retained, opened, paid, yuan = PAPER[
        channel
    ]
    starts = [(first + user, 0) for user in range(users)]
    again = visits - users
    starts += [(first + user, 1 if user < retained else 2) for user in range(again)]
    events = []
    rich = visits - single
    for place, (user, day) in enumerate(starts):
        begin = MIDNIGHT_MS + day * DAY_MS + HOUR_MS
        source = {"source": channel}
        if place < single:
            events.append(Event(user, "page", begin, properties=source))
        else:
            nth = place - single
            pages = (views - single) // rich + (nth < (views - single) % rich)
            length = dwell * 1000 // rich + (nth < dwell * 1000 % rich)
            times = [begin + n for n in range(pages - 1)] + [begin + length]
            events += [Event(user, "page", time, properties=source) for time in times]
        if not day:
            for name, number in (("new", new), ("register", registered), ("open", opened)):
                if place < number:
                    events.append(Event(user, name, begin))
            if place < paid:
                events.append(Event(user, "deposit", begin, properties={"yuan": yuan / paid}))
    # Who is retained beyond the visits of the channel comes back by none.
    events += [
        Event(first + user, "page", MIDNIGHT_MS + DAY_MS + HOUR_MS)
        for user in range(min(again, retained), retained)
    ]
    return events


async def test_the_papers_table_of_channels(questions: Questions) -> None:
    """FX-C1: S-043, S-044, S-045 and S-046. Model 2, channel."""
    events: list[Event] = []
    first = 1
    for channel, row in PAPER.items():
        events += paper_events(channel, first)
        first += row[1]
    # Of one millisecond the page is the first event, so that the session has its channel.
    events = [
        Event(e.ident, e.name, e.time, f"{e.name != 'page':d}{place:06}", e.properties)
        for place, e in enumerate(events)
    ]
    world = World(events, {n: n for n in range(1, first)})
    await questions.load([world])
    request = pb.QueryChannelsRequest(
        project_id=world.project,
        pages=[cpb.EventFilter(event_name="page")],
        new_event=cpb.EventFilter(event_name="new"),
        register_event=cpb.EventFilter(event_name="register"),
        open_event=cpb.EventFilter(event_name="open"),
        deposit_event=cpb.EventFilter(event_name="deposit"),
        amount_property="yuan",
    )
    request.channel.event_property = "source"
    answer = await questions.rpc.QueryChannels(request, None)
    rows = {row.channel.value: row for row in answer.rows if not row.channel.missing}
    for channel, expected in PAPER.items():
        row = rows[channel]
        found = (
            row.visits,
            row.persons.persons,
            row.fresh.persons,
            row.registered.persons,
            row.bounces,
            row.page_views,
            row.dwell_ms // 1000,
            row.retained.persons,
            row.opened.persons,
            row.deposited.persons,
            Decimal(row.amount),
        )
        assert found == expected
        rates = (row.bounce_rate, row.views_per_person, row.dwell_per_person_ms / 1000)
        assert rates == pytest.approx(RATES[channel][:3], abs=5e-5)
        assert row.retention_rate == pytest.approx(RATES[channel][3])
    assert answer.total.visits == sum(row.visits for row in answer.rows)
