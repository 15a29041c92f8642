"""Evaluates a segment, publishes the new membership whole, and says who entered and left."""

from dataclasses import replace

from siyu_kit.clock import Clock
from siyu_kit.errors import Conflict, DependencyDown, DomainError, QuotaExceeded
from siyu_kit.failpoints import failpoint
from siyu_kit.ids import new_id
from siyu_kit.telemetry import inject
from siyu_segment.app.ports import AsOf, Audience, AudienceSource, SegmentStore, SegmentUnit
from siyu_segment.domain.membership import Run, RunState, cause_of, difference
from siyu_segment.domain.segment import Segment

_METHOD = "RefreshSegment"


async def refresh_segment(
    store: SegmentStore,
    audiences: AudienceSource,
    clock: Clock,
    *,
    project_id: str,
    segment_id: str,
    request_id: str,
    as_of: AsOf,
) -> Run:
    """Run the latest version to its end; the same request again gives the same run.

    A run that a crash left unfinished, or that somebody it asks had no time for, is taken up
    again by the repeated request: publishing is one transaction that only a running run passes.
    Refreshes may overlap: one that ends last but saw less than what was published meanwhile is
    failed, so that memberships never go backwards.
    """
    segment, run = await _open(store, clock, project_id, segment_id, request_id, as_of)
    if run.state is not RunState.RUNNING:
        return run
    failpoint("segment.run_opened")
    try:
        audience = await audiences.evaluate(project_id, segment.definition, as_of)
    except (DependencyDown, QuotaExceeded):
        raise  # told to come again, callers do: with this request
    except DomainError as error:
        await _fail(store, clock, run, f"{error.reason}: {error.message}")
        raise
    failpoint("segment.after_evaluate")
    published = await _publish(store, clock, run, audience, segment.published_run_id)
    failpoint("segment.after_publish")
    return published


async def _open(
    store: SegmentStore,
    clock: Clock,
    project_id: str,
    segment_id: str,
    request_id: str,
    as_of: AsOf,
) -> tuple[Segment, Run]:
    content = f"{segment_id}\x1f{as_of}".encode()
    now = clock.now_ms()
    async with store.transaction() as unit:
        segment = await unit.segment(project_id, segment_id)
        run_id = new_id()
        if not await unit.remember(project_id, _METHOD, request_id, content, run_id, now):
            known = await unit.earlier(project_id, _METHOD, request_id, content)
            return segment, await unit.run(project_id, known or "")
        run = Run(
            project_id,
            run_id,
            segment_id,
            segment.version,
            RunState.RUNNING,
            now,
            trace=inject(),
        )
        await unit.add_run(run)
    return segment, run


async def _publish(
    store: SegmentStore, clock: Clock, run: Run, audience: Audience, published_before: str
) -> Run:
    async with store.transaction() as unit:
        segment = await unit.segment(run.project_id, run.segment_id, lock=True)
        current = await unit.run(run.project_id, run.run_id)
        if current.state is not RunState.RUNNING:
            return current
        obstacle = await _obstacle(unit, segment, run, audience, published_before)
        if obstacle is None:
            return await _publish_in(unit, clock, segment, run, audience)
    await _fail(store, clock, run, f"{obstacle.reason}: {obstacle.message}")
    raise obstacle


async def _obstacle(
    unit: SegmentUnit, segment: Segment, run: Run, audience: Audience, published_before: str
) -> Conflict | None:
    """Why the run must not be published, if so.

    Only a run published since the evaluation began can have overtaken it. One that was there
    before is replaced whatever its key: an earlier time may be wanted, and an event store that
    was built anew counts its batches from the start.
    """
    if segment.version != run.version:
        return Conflict("VERSION_CHANGED", "the definition changed during the run; refresh again")
    if segment.published_run_id != published_before:
        published = await unit.run(run.project_id, segment.published_run_id)
        if not audience.key.covers(published.key):
            return Conflict(
                "RUN_OVERTAKEN",
                "a refresh that saw later data was published during the run",
                run_id=published.run_id,
            )
    return None


async def _publish_in(
    unit: SegmentUnit, clock: Clock, segment: Segment, run: Run, audience: Audience
) -> Run:
    previous = segment.published_run_id
    before = await unit.members(run.project_id, previous)
    was = (await unit.run(run.project_id, previous)).version if previous else None
    change = difference(before, audience.members)
    ended = replace(
        run,
        state=RunState.SUCCEEDED,
        end_time_ms=clock.now_ms(),
        key=audience.key,
        size=len(audience.members),
        entered=len(change.entered),
        left=len(change.left),
        cause=cause_of(was, run.version),
    )
    await unit.end_run(ended, audience.members)
    published = replace(segment, published_run_id=run.run_id, size=ended.size)
    await unit.save_segment(published, new_version=False)
    await unit.announce(ended, change)
    failpoint("segment.before_publish_commit")
    return ended


async def _fail(store: SegmentStore, clock: Clock, run: Run, failure: str) -> None:
    async with store.transaction() as unit:
        current = await unit.run(run.project_id, run.run_id)
        if current.state is RunState.RUNNING:
            ended = replace(
                run, state=RunState.FAILED, end_time_ms=clock.now_ms(), failure=failure[:500]
            )
            await unit.end_run(ended, None)
