"""Tells a caller how far a question of theirs is, until it ends."""

from collections.abc import AsyncGenerator
from typing import Final

from siyu_analytics.app.asking import Asking
from siyu_analytics.app.underway import check_request_id, key_of
from siyu_analytics.domain.progress import Growth, Progress, State
from siyu_kit.errors import NotFound

EVERY_S: Final = 0.5
APPEARS_S: Final = 5.0
"""A question that is not known yet is waited for so long: its call may come after the watch."""


class WatchQuery:
    """The use case."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def __call__(self, project_id: str, request_id: str) -> AsyncGenerator[Progress, None]:
        """What is to be told, every half second; the last one is of the ended question.

        Raises NotFound (QUERY_UNKNOWN) when the caller has no such question in the project.
        """
        check_request_id(request_id, "request_id")
        growth = await self._found(project_id, request_id)
        clock = self._asking.clock
        while True:
            ended = growth.ended_s is not None
            readings = {} if ended else await self._asking.engine.progress()
            progress = growth.look(readings, clock.monotonic())
            yield progress
            if progress.state in {State.DONE, State.STOPPED}:
                return
            await clock.sleep(EVERY_S)

    async def _found(self, project_id: str, request_id: str) -> Growth:
        key = key_of(project_id, request_id)
        clock = self._asking.clock
        until = clock.monotonic() + APPEARS_S
        while (growth := self._asking.underway.find(key)) is None:
            if clock.monotonic() >= until:
                raise NotFound(
                    "QUERY_UNKNOWN", "no question of this id is under way", request_id=request_id
                )
            await clock.sleep(EVERY_S / 5)
        return growth
