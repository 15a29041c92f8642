"""Counts of events, every measure and every split, equal what plain Python adds up."""

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.calendar_oracle import period_start
from oracle.events_oracle import Item, group_of, meant, measure_of, ranked
from oracle.strategies import AS_OF_MS, HOUR_MS, ZONES, event_filters
from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1 import question_pb2
from support.analytics_cells import cases_of, draw_split, few, lots, members
from support.analytics_questions import Questions
from support.analytics_worlds import persons_of, world_of

LOW, TO = AS_OF_MS - 30 * HOUR_MS, AS_OF_MS - HOUR_MS
OTHER = "\0other"
OF_NOTHING = (pb.MEASURE_UNSPECIFIED, pb.MEASURE_EVENTS_PER_PERSON)


@st.composite
def questions_of_events(draw: st.DrawFn) -> pb.QueryEventsRequest:
    measure = draw(st.sampled_from(pb.Measure.values()))
    of_any = ["amount", "kind", "context.lib"] if measure == pb.MEASURE_DISTINCT else ["amount"]
    request = pb.QueryEventsRequest(
        event=draw(event_filters()),
        granularity=draw(st.sampled_from(question_pb2.Granularity.values())),
        measure=measure,
        measure_property="" if measure in OF_NOTHING else draw(st.sampled_from(of_any)),
        comparison=draw(st.sampled_from(pb.Comparison.values())),
    )
    if request.comparison == pb.COMPARISON_CUSTOM:
        request.compare_from_time_ms = LOW - 17 * HOUR_MS
    if draw_split(draw, request):
        request.breakdown.limit = draw(st.sampled_from([0, 1]))
    request.scope.from_time_ms, request.scope.to_time_ms = LOW, TO
    request.scope.as_of_time_ms = AS_OF_MS
    request.scope.zone = draw(st.sampled_from(ZONES))
    return request


QUESTIONS = questions_of_events()


@few
@given(cases=cases_of(QUESTIONS, 3))
async def test_events(questions: Questions, cases: list[Any]) -> None:
    await check_events(questions, cases)


@pytest.mark.slow
@pytest.mark.timeout(900)
@lots
@given(cases=cases_of(QUESTIONS, 6))
async def test_events_at_length(questions: Questions, cases: list[Any]) -> None:
    await check_events(questions, cases)


async def check_events(questions: Questions, cases: list[Any]) -> None:
    worlds = [world_of(history) for history, _ in cases]
    await questions.load(worlds)
    for world, (history, request) in zip(worlds, cases, strict=True):
        request.project_id = world.project
        answer = await questions.rpc.QueryEvents(request, None)
        persons = persons_of(history)
        by = request.breakdown.WhichOneof("by") or ""
        name = getattr(request.breakdown, by) if by else ""

        def group(item: Item, persons: Any = persons, by: str = by, name: str = name) -> Any:
            return group_of(item[1], persons[item[0]], by, name)

        items = meant(persons, request.event, LOW, TO)
        kept = ranked(items, [group(item) for item in items])
        limit = request.breakdown.limit or 50
        folds = len(kept) > limit or request.comparison
        names = kept[:limit] if by and folds else None
        await check_rows(questions, request, answer.rows, answer.total, items, group, names)
        if not request.comparison:
            assert not answer.compared_rows
            assert not answer.HasField("compared_total")
            continue
        low = {
            pb.COMPARISON_PREVIOUS: LOW - (TO - LOW),
            pb.COMPARISON_CUSTOM: LOW - 17 * HOUR_MS,
            pb.COMPARISON_LAST_YEAR: LOW - 365 * 24 * HOUR_MS,
        }[request.comparison]
        others = meant(persons, request.event, low, low + TO - LOW)
        rows, total = answer.compared_rows, answer.compared_total
        await check_rows(questions, request, rows, total, others, group, names)


async def check_rows(
    questions: Questions,
    request: pb.QueryEventsRequest,
    rows: Any,
    total: pb.EventRow,
    items: list[Item],
    group: Any,
    names: list[str | None] | None,
) -> None:
    expected: dict[tuple[int, Any], list[Item]] = defaultdict(list)
    for item in items:
        start = period_start(item[1].event_time_ms, request.granularity, request.scope.zone)
        place = group(item)
        expected[start, OTHER if names is not None and place not in names else place].append(item)
    found = {}
    for row in rows:
        missing = row.group.missing or not request.HasField("breakdown")
        place = OTHER if row.group.other else None if missing else row.group.value
        found[row.time_ms, place] = row
    assert set(found) == set(expected)
    for key, row in [*found.items(), (None, total)]:
        own = items if key is None else expected[key]
        assert row.events == len(own)
        assert await members(questions, request.project_id, row.cell) == {n for n, _ in own}
        assert row.measure == measure_of(request.measure, request.measure_property, own)
