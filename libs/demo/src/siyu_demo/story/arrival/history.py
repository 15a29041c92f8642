"""History: everything before the live day, as JSON lines through a few Import streams."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from itertools import islice

from siyu.collect.v1 import collect_service_pb2 as collect
from siyu_client.client import SiyuClient, call
from siyu_demo.records import import_chunks
from siyu_demo.story.arrival.patience import patiently
from siyu_demo.story.arrival.tampering import altered
from siyu_demo.story.stage import PROJECT, Stage

_STREAMS = 3
_LINES = 2_500
"""Lines a chunk: about half of the 1 MiB that a chunk may have."""
_CHUNKS = 4
"""Chunks an Import, kept until it is answered: a service that is too busy gets them again."""
_TIMEOUT_S = 300.0


class _Source:
    """Portions for several streams. They are made in a thread, one at a time, as streams ask."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._turn = asyncio.Lock()

    async def portion(self) -> list[bytes]:
        """The next chunks for one Import; none when nothing is left."""
        async with self._turn:
            return await asyncio.to_thread(lambda: list(islice(self._chunks, _CHUNKS)))


async def import_history(stage: Stage, advance: Callable[[int], None]) -> tuple[int, int]:
    """Send the history and write it into the ledger; how many were accepted and refused."""
    records = stage.ledger.through(stage.quarter.history())
    chunks = import_chunks(altered(records) if stage.mode.tamper else records, _LINES)
    source = _Source(chunks)
    streams = [_stream(stage.client, source, advance) for _ in range(_STREAMS)]
    answers = [answer for stream in await asyncio.gather(*streams) for answer in stream]
    return (
        sum(answer.accepted for answer in answers),
        sum(answer.refused_count for answer in answers),
    )


async def _stream(
    client: SiyuClient, source: _Source, advance: Callable[[int], None]
) -> list[collect.ImportResponse]:
    """Import portion after portion until nothing is left."""
    answers = []
    while portion := await source.portion():
        answers.append(await patiently(partial(_import, client, portion)))
        advance(sum(lines.count(b"\n") for lines in portion))
    return answers


async def _import(client: SiyuClient, portion: Sequence[bytes]) -> collect.ImportResponse:
    async def requests() -> AsyncIterator[collect.ImportRequest]:
        for lines in portion:
            yield collect.ImportRequest(project_id=PROJECT, lines=lines)

    return await call(client.collect.Import, requests(), timeout_s=_TIMEOUT_S)
