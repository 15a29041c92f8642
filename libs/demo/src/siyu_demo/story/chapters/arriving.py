"""Chapter 1: the quarter arrives, each event by exactly one way."""

import asyncio
from collections import defaultdict

from rich.progress import Progress

from siyu.analytics.v1 import analytics_service_pb2 as analytics
from siyu_client.client import call
from siyu_demo.records import Record, Via
from siyu_demo.story.arrival.back_office import state_facts
from siyu_demo.story.arrival.events import ingest
from siyu_demo.story.arrival.history import import_history
from siyu_demo.story.arrival.settling import freshness_of, settled
from siyu_demo.story.arrival.vendors import send_by_segment, send_by_sensors
from siyu_demo.story.checks import Pair
from siyu_demo.story.progress import bars
from siyu_demo.story.questions import event_filter, scope
from siyu_demo.story.stage import PROJECT, Stage
from siyu_demo.truth import Happening

TITLE = "The quarter arrives"
_WAYS = (
    "The live day came by SensorsAnalyticsSDK (/sa), segment-analytics-python (/v1/batch) and"
    " gRPC, each event by exactly one of them."
)


async def tell(stage: Stage) -> None:
    """History by Import, facts by the profile RPCs, the live day by SDKs and gRPC."""
    quarter = stage.quarter
    with bars(stage.console) as progress:
        # The back office states its facts meanwhile: nobody waits for anybody.
        (imported, live), taken = await asyncio.gather(
            _events(stage, progress), _facts(stage, progress)
        )
        mark = await _settle(stage, progress)
    with stage.checks.table("What was taken at the door") as table:
        table.row("history", Pair(imported[0], len(quarter) - quarter.live_count))
        table.row("history refused", Pair(imported[1], 0))
        table.row("live by gRPC", Pair(live[0], live[1]))
        table.row("consents", Pair(taken["consents"], len(quarter.consents)))
        table.row("risk ratings", Pair(taken["ratings"], len(quarter.ratings)))
        table.row("contact points", Pair(taken["contact points"], len(quarter.contact_points)))
    with stage.checks.table("What the event store holds") as table:
        table.row("events", Pair(mark.events, sum(stage.ledger.totals.values())))
        table.row("dropped as repetitions", Pair(mark.duplicates, 0))
    await _show_totals(stage)


async def _events(stage: Stage, progress: Progress) -> tuple[tuple[int, int], tuple[int, int]]:
    """History, then the live day."""
    task = progress.add_task(
        "history by Import", total=len(stage.quarter) - stage.quarter.live_count
    )
    imported = await import_history(stage, lambda count: progress.advance(task, count))
    return imported, await _live_day(stage, progress)


async def _facts(stage: Stage, progress: Progress) -> dict[str, int]:
    quarter = stage.quarter
    total = len(quarter.consents) + len(quarter.ratings) + len(quarter.contact_points)
    task = progress.add_task("consents, ratings, addresses", total=total)
    return await state_facts(stage, lambda n: progress.advance(task, n))


async def _live_day(stage: Stage, progress: Progress) -> tuple[int, int]:
    """Play the live day on all ways at once; accepted by gRPC, and how many were sent by it."""
    by_way: defaultdict[Via, list[Record]] = defaultdict(list)
    for record in stage.ledger.through(stage.quarter.live()):
        by_way[record.via].append(record)
    task = progress.add_task("live day by SDKs and gRPC", total=stage.quarter.live_count)
    http_url, key = stage.platform.http_url, stage.platform.write_keys[PROJECT]

    def advance(count: int) -> None:
        progress.advance(task, count)

    (accepted, _), _, _ = await asyncio.gather(
        ingest(stage.client, by_way[Via.GRPC]),
        asyncio.to_thread(send_by_sensors, by_way[Via.SENSORS], http_url, key, advance),
        asyncio.to_thread(send_by_segment, by_way[Via.SEGMENT], http_url, key, advance),
    )
    advance(len(by_way[Via.GRPC]))
    return accepted, len(by_way[Via.GRPC])


async def _settle(stage: Stage, progress: Progress) -> analytics.GetWatermarkResponse:
    """Wait until everything can be asked for; from then on every question asks for so much."""
    events = sum(stage.ledger.totals.values())
    task = progress.add_task("events queryable", total=events)
    persons = len(await asyncio.to_thread(lambda: stage.people))
    mark = await settled(
        stage.client, events, persons, lambda seen: progress.update(task, completed=seen)
    )
    stage.freshness = freshness_of(mark)
    return mark


async def _show_totals(stage: Stage) -> None:
    """Events and distinct persons by event name."""
    ledger, people = stage.ledger, stage.people
    stage.console.print(_WAYS)
    with stage.checks.table("Events by name", "events", "persons") as table:
        for name, total in ledger.totals.most_common():
            request = analytics.QueryEventsRequest(
                project_id=PROJECT, scope=scope(stage), event=event_filter(Happening(name))
            )
            found = (await call(stage.client.analytics.QueryEvents, request)).total
            persons = len(people.persons_of(ledger.subjects[name]))
            table.row(name, Pair(found.events, total), Pair(found.cell.persons, persons))
