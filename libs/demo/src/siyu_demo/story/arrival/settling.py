"""Waiting until the platform has taken in what was sent."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

from siyu.analytics.v1 import analytics_service_pb2 as analytics
from siyu.type.v1.result_key_pb2 import Freshness
from siyu_client.client import SiyuClient, call
from siyu_demo.story.stage import PROJECT

_POLL_S = 0.25
_STILL_S = 1.0
"""So long nothing may move once the numbers are right: the feeds come after the events."""
_STALL_S = 15.0
"""When nothing has moved for so long, nothing more will come, and the story shows what is there."""


async def settled(
    client: SiyuClient,
    events: int,
    persons: int,
    seen: Callable[[int], None] = lambda _events: None,
) -> analytics.GetWatermarkResponse:
    """The store's watermark once it holds so many events and persons, or moves no more."""
    last, since = analytics.GetWatermarkResponse(), monotonic()
    while True:
        mark = await watermark(client)
        seen(mark.events)
        if mark != last:
            last, since = mark, monotonic()
        still_s = monotonic() - since
        right = mark.events == events and mark.persons == persons
        if still_s > (_STILL_S if right else _STALL_S):
            return mark
        await asyncio.sleep(_POLL_S)


async def watermark(client: SiyuClient) -> analytics.GetWatermarkResponse:
    """How far the store has read."""
    request = analytics.GetWatermarkRequest(project_id=PROJECT)
    return await call(client.analytics.GetWatermark, request)


def freshness_of(mark: analytics.GetWatermarkResponse) -> Freshness:
    """What later questions ask for at least."""
    return Freshness(
        min_batch_no=mark.batch_no,
        min_identity_sequence=mark.identity_sequence,
        min_profile_sequence=mark.profile_sequence,
    )


async def until(reached: Callable[[], Awaitable[bool]], timeout_s: float) -> bool:
    """Poll until something holds; False when the time ran out."""
    deadline = monotonic() + timeout_s
    while not await reached():
        if monotonic() > deadline:
            return False
        await asyncio.sleep(_POLL_S)
    return True
