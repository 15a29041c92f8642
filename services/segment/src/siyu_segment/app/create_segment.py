"""Creates a segment."""

from siyu_kit.clock import Clock
from siyu_kit.ids import new_id
from siyu_segment.app.ports import AsOf, AudienceSource, SegmentStore
from siyu_segment.domain.segment import (
    DEFAULT_ZONE,
    Definition,
    Segment,
    check_description,
    check_name,
)

_METHOD = "CreateSegment"


async def create_segment(
    store: SegmentStore,
    audiences: AudienceSource,
    clock: Clock,
    *,
    project_id: str,
    request_id: str,
    name: str,
    description: str,
    definition: Definition,
) -> Segment:
    """Create version 1 without members; the same request again gives the same segment.

    The condition is evaluated once, so that one which can not be is refused here and not at night.
    """
    definition = Definition(definition.condition, definition.zone or DEFAULT_ZONE)
    content = "\x1f".join([check_name(name), check_description(description), definition.zone])
    digest_of = content.encode() + definition.condition
    async with store.transaction() as unit:
        known = await unit.earlier(project_id, _METHOD, request_id, digest_of)
        if known is not None:
            return await unit.segment(project_id, known)
    await audiences.evaluate(project_id, definition, AsOf())
    now = clock.now_ms()
    segment = Segment(project_id, new_id(), name, description, 1, definition, now, now)
    async with store.transaction() as unit:
        if not await unit.remember(
            project_id, _METHOD, request_id, digest_of, segment.segment_id, now
        ):
            first = await unit.earlier(project_id, _METHOD, request_id, digest_of)
            return await unit.segment(project_id, first or "")
        await unit.add_segment(segment)
    return segment
