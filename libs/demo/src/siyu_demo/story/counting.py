"""How many events of a name the store holds, once it has as many as it must."""

from siyu.analytics.v1 import analytics_service_pb2 as analytics
from siyu.analytics.v1 import question_pb2
from siyu_client.client import call
from siyu_demo.simulator.settings import DAY_MS
from siyu_demo.story.arrival.settling import until
from siyu_demo.story.questions import event_filter
from siyu_demo.story.stage import PROJECT, Stage
from siyu_demo.truth import Happening

_TIMEOUT_S = 15.0


async def stored(stage: Stage, name: str, events: int) -> int:
    """Events of a name from the quarter's start until now."""
    settings = stage.settings
    request = analytics.QueryEventsRequest(
        project_id=PROJECT,
        scope=question_pb2.Scope(
            from_time_ms=settings.start_ms, to_time_ms=settings.end_ms + 10 * DAY_MS
        ),
        event=event_filter(Happening(name)),
    )
    found = 0

    async def reached() -> bool:
        nonlocal found
        found = (await call(stage.client.analytics.QueryEvents, request)).total.events
        return found >= events

    await until(reached, _TIMEOUT_S)
    return found
