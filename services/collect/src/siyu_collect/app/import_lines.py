"""Imports history: JSON lines in chunks that may end inside a line.

Lines are read in runs of a thousand. While runs are being appended the next ones are read, and a
bounded number of appends is under way, so a fast sender waits instead of filling the memory.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final

import orjson

from siyu_collect.app.patience import patiently
from siyu_collect.app.take_events import TakeEvents, Total
from siyu_collect.domain.admission import Origin
from siyu_collect.domain.records import invalid
from siyu_collect.domain.sifted import Refused
from siyu_collect.domain.sifting import Line
from siyu_kit.clock import Clock
from siyu_kit.errors import InvalidInput
from siyu_kit.limits.place import aside

RUN: Final = 1_000
"""Lines taken at a time."""
UNDER_WAY: Final = 8
"""Runs being appended at once."""
MAX_LINE_BYTES: Final = 1 << 20
SOURCE: Final = "import"


class ImportLines:
    """The use case."""

    def __init__(self, take: TakeEvents, clock: Clock) -> None:
        self._take = take
        self._clock = clock

    async def __call__(self, project_id: str, chunks: AsyncIterator[bytes]) -> Total:
        """Return when every accepted line is durable.

        Raises what an append raised; lines accepted before stay durable, and importing them
        again is safe because of their message ids.
        """
        total = Total()
        slots = asyncio.Semaphore(UNDER_WAY)
        line_number = 0
        try:
            async with asyncio.TaskGroup() as group:
                async for run in _runs(chunks):
                    if slots.locked():
                        async with aside():  # they may wait for the project's rate
                            await slots.acquire()
                    else:
                        await slots.acquire()
                    task = group.create_task(self._append(project_id, run, line_number, total))
                    task.add_done_callback(lambda _: slots.release())
                    line_number += len(run)
        except BaseExceptionGroup as failures:
            raise _first(failures) from None
        total.refused.sort(key=lambda refused: refused.index)
        return total

    async def _append(
        self, project_id: str, run: Sequence[bytes], first_line: int, total: Total
    ) -> None:
        origin = Origin(project_id, SOURCE, self._clock.now_ms(), history=True)
        numbers = [number for number, line in enumerate(run) if not _is_blank(line)]
        lines = [_parsed(run[number]) for number in numbers]
        outcome = await patiently(self._clock, lambda: self._take.lines(lines, origin))
        outcome.refused = [Refused(numbers[r.index], r.error) for r in outcome.refused]
        total.add(outcome, first_line)


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _is_blank(line: bytes) -> bool:
    return len(line) <= MAX_LINE_BYTES and not line.strip()


def _parsed(line: bytes) -> Line:
    if len(line) > MAX_LINE_BYTES:
        return InvalidInput("LINE_TOO_LONG", "the line is longer than 1 MiB", field="line")
    try:
        parsed: Line = orjson.loads(line)
    except orjson.JSONDecodeError:
        return invalid("line", "the line is not valid JSON")
    return parsed


async def _runs(chunks: AsyncIterator[bytes]) -> AsyncIterator[Sequence[bytes]]:
    """Whole lines, at most ``RUN`` at a time, in order.

    Of a line that is too long only so much is kept that it is seen to be.
    """
    rest = b""
    async for chunk in chunks:
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()[: MAX_LINE_BYTES + 1]
        for run in _cut(lines):
            yield run
    if rest:
        yield [rest]


def _cut(lines: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(lines), RUN):
        yield lines[start : start + RUN]
