"""History: everything before the live day, as JSON lines through a few Import streams."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

from siyu.collect.v1 import collect_service_pb2 as collect
from siyu_client.client import SiyuClient, call
from siyu_demo.records import import_chunks
from siyu_demo.story.arrival.tampering import altered
from siyu_demo.story.stage import PROJECT, Stage

_STREAMS = 3
_LINES = 2_500
"""Lines a chunk: about half of the 1 MiB that a chunk may have."""
_TIMEOUT_S = 300.0


class _Source:
    """Chunks for several streams. They are made in a thread, one at a time, as streams ask."""

    def __init__(self, chunks: Iterator[bytes], advance: Callable[[int], None]) -> None:
        self._chunks = chunks
        self._advance = advance
        self._turn = asyncio.Lock()

    async def requests(self) -> AsyncIterator[collect.ImportRequest]:
        """Requests of one stream, until nothing is left."""
        while True:
            async with self._turn:
                chunk = await asyncio.to_thread(next, self._chunks, b"")
            if not chunk:
                return
            yield collect.ImportRequest(project_id=PROJECT, lines=chunk)
            self._advance(chunk.count(b"\n"))


async def import_history(stage: Stage, advance: Callable[[int], None]) -> tuple[int, int]:
    """Send the history and write it into the ledger; how many were accepted and refused."""
    records = stage.ledger.through(stage.quarter.history())
    chunks = import_chunks(altered(records) if stage.mode.tamper else records, _LINES)
    source = _Source(chunks, advance)
    answers = await asyncio.gather(*(_stream(stage.client, source) for _ in range(_STREAMS)))
    return (
        sum(answer.accepted for answer in answers),
        sum(answer.refused_count for answer in answers),
    )


async def _stream(client: SiyuClient, source: _Source) -> collect.ImportResponse:
    return await call(client.collect.Import, source.requests(), timeout_s=_TIMEOUT_S)
