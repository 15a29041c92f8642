"""Changes a segment."""

from siyu_kit.clock import Clock
from siyu_segment.app.ports import AsOf, AudienceSource, SegmentStore
from siyu_segment.domain.segment import Change, Segment, changed


async def update_segment(
    store: SegmentStore,
    audiences: AudienceSource,
    clock: Clock,
    *,
    project_id: str,
    segment_id: str,
    etag: str,
    change: Change,
) -> Segment:
    """Apply a change; another condition or zone becomes a new version, evaluated once first."""
    async with store.transaction() as unit:
        before = await unit.segment(project_id, segment_id)
    wanted = changed(before, change, etag, clock.now_ms())
    if wanted.version != before.version:
        await audiences.evaluate(project_id, wanted.definition, AsOf())
    async with store.transaction() as unit:
        current = await unit.segment(project_id, segment_id, lock=True)
        after = changed(current, change, etag, clock.now_ms())
        await unit.save_segment(after, new_version=after.version != current.version)
    return after
