"""Chapter 5: whom to speak to: two segments, member by member."""

from datetime import UTC, datetime

from siyu.segment.v1 import segment_service_pb2 as segment
from siyu_client.client import call
from siyu_demo.records import Identifier
from siyu_demo.simulator.settings import SHANGHAI
from siyu_demo.story.checks import Pair
from siyu_demo.story.listing import segment_members
from siyu_demo.story.questions import (
    FIRST_DEPOSIT,
    NEWS,
    PAPERS_BOUND,
    conversion_question,
    few_views_condition,
)
from siyu_demo.story.stage import PROJECT, Stage
from siyu_demo.truth import Conversion, counts, few_views_no_trade

TITLE = "The audience: first deposit, no trade, few views"


async def tell(stage: Stage) -> None:
    """The segment below the turning point, and the white paper's own where they differ."""
    point = Conversion(conversion_question(stage), stage.ledger, stage.people).turning_point()
    names = {point.k: f"首次入金未交易，资讯浏览 < {point.k}"}
    names.setdefault(PAPERS_BOUND, "首次入金未交易，资讯浏览 ≤ 4（白皮书）")
    with stage.checks.table("Segments", "members", "entered", "population") as table:
        for below, name in names.items():
            await _create(stage, below, name)
            run = await _refresh(stage, below)
            members = await segment_members(stage, stage.segments[below])
            expected = _expected(stage, below)
            stage.audiences[below] = expected
            population = await _population(stage, below)
            table.row(
                name,
                Pair(members, stage.numbers.of(expected)),
                Pair(run.entered, len(expected)),
                Pair(population, len(stage.people)),
            )
    await _explain(stage, point.k)


def _expected(stage: Stage, below: int) -> set[Identifier]:
    settings = stage.settings
    return few_views_no_trade(
        FIRST_DEPOSIT, below, settings.start_ms, settings.end_ms, stage.ledger, stage.people
    )


async def _create(stage: Stage, below: int, name: str) -> None:
    request = segment.CreateSegmentRequest(
        project_id=PROJECT,
        request_id=f"demo-segment-{below}",
        segment=segment.Segment(name=name, condition=few_views_condition(stage, below)),
    )
    created = (await call(stage.client.segment.CreateSegment, request)).segment
    stage.segments[below] = created.segment_id


async def _refresh(stage: Stage, below: int) -> segment.SegmentRun:
    request = segment.RefreshSegmentRequest(
        project_id=PROJECT,
        request_id=f"demo-refresh-{below}",
        segment_id=stage.segments[below],
        freshness=stage.freshness,
    )
    return (await call(stage.client.segment.RefreshSegment, request, timeout_s=60.0)).run


async def _population(stage: Stage, below: int) -> int:
    request = segment.PreviewSegmentRequest(
        project_id=PROJECT, condition=few_views_condition(stage, below)
    )
    return (await call(stage.client.segment.PreviewSegment, request)).population


async def _explain(stage: Stage, below: int) -> None:
    """Why one customer is in, and why another is not."""
    settings, people = stage.settings, stage.people
    views = counts(NEWS, settings.start_ms, settings.end_ms, stage.ledger, people)
    inside = stage.audiences[below]
    reader = min(inside, key=lambda person: (-views[person], person))
    outside = set(views) - inside
    eager = min(outside, key=lambda person: (person[0] != "customer_no", views[person], person))
    example: dict[str, object] = {
        "project_id": PROJECT,
        "segment_id": stage.segments[below],
        "person_no": stage.numbers.person_no[reader],
    }
    stage.examples.append(("segment", "ExplainMember", example))
    for person, is_member in ((reader, True), (eager, False)):
        request = segment.ExplainMemberRequest(
            project_id=PROJECT,
            segment_id=stage.segments[below],
            person_no=stage.numbers.person_no[person],
        )
        answer = await call(stage.client.segment.ExplainMember, request)
        with stage.checks.table(f"Why {person[1]} is {'in' if is_member else 'out'}") as table:
            table.row("member", Pair(answer.member, is_member))
            table.row("member when last published", Pair(answer.member_published, is_member))
            found = [len(n.event_times_ms) for n in answer.nodes if NEWS.event in n.text]
            table.row("views found (at most 10 listed)", Pair(found[0], min(views[person], 10)))
        for node in answer.nodes:
            mark = "[green]holds[/]" if node.holds else "[yellow]fails[/]"
            when = ", ".join(map(_day, node.event_times_ms[:3]))
            stage.console.print(f"  {mark}  {node.text}  {node.found}  {when}", highlight=False)


def _day(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(SHANGHAI).strftime("%m-%d %H:%M")
