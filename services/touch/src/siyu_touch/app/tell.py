"""Tells the stream of events what became of messages."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from siyu_kit.errors import NotFound
from siyu_kit.log import get_logger
from siyu_touch.app.ports import AddressedEvent, EventSink, Identifier, Persons
from siyu_touch.domain.touch_event import TouchEvent

_log = get_logger(__name__)

_AT_ONCE = 1_000
_LOOKUPS = 16
_REMEMBERED = 50_000


class Teller:
    """Finds each event's person and hands the events over; repeating it does no harm."""

    def __init__(self, persons: Persons, sink: EventSink) -> None:
        self._persons = persons
        self._sink = sink
        self._anchors: OrderedDict[tuple[str, int], Identifier | None] = OrderedDict()

    async def tell(self, project_id: str, events: Sequence[TouchEvent]) -> None:
        """Hand over all events; raises where identity or collect cannot be reached."""
        await self._look_up(project_id, sorted({event.person_no for event in events}))
        addressed = [
            AddressedEvent(event, anchor)
            for event in events
            if (anchor := self._anchors.get((project_id, event.person_no))) is not None
        ]
        if len(addressed) < len(events):
            _log.warning("touch_events_of_nobody", events=len(events) - len(addressed))
        for start in range(0, len(addressed), _AT_ONCE):
            refused = await self._sink.ingest(project_id, addressed[start : start + _AT_ONCE])
            if refused:
                # What the door refuses once it refuses for ever: repeating would stop the rest.
                reasons = sorted(set(refused.values()))
                _log.error("touch_events_refused", events=len(refused), reasons=reasons)

    async def _look_up(self, project_id: str, person_nos: Sequence[int]) -> None:
        while len(self._anchors) > _REMEMBERED:
            self._anchors.popitem(last=False)
        slots = asyncio.Semaphore(_LOOKUPS)

        async def look_up(person_no: int) -> None:
            async with slots:
                self._anchors[project_id, person_no] = await self._anchor(project_id, person_no)

        missing = [number for number in person_nos if (project_id, number) not in self._anchors]
        await asyncio.gather(*(look_up(number) for number in missing))

    async def _anchor(self, project_id: str, person_no: int) -> Identifier | None:
        try:
            return (await self._persons.by_number(project_id, person_no)).anchor
        except NotFound:
            return None
