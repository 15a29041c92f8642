"""CollectService."""

from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any, Final

from siyu.collect.v1.collect_service_pb2 import (
    ImportRequest,
    ImportResponse,
    IngestRequest,
    IngestResponse,
    IngestStreamRequest,
    IngestStreamResponse,
)
from siyu.collect.v1.collect_service_pb2_grpc import CollectServiceServicer
from siyu_collect.app.import_lines import ImportLines
from siyu_collect.app.patience import patiently
from siyu_collect.app.take_events import Outcome, TakeEvents, Total
from siyu_collect.domain.admission import Origin
from siyu_collect.domain.columns.reading import ColumnReader
from siyu_collect.domain.limits import MAX_EVENTS
from siyu_collect.rpc import mapping
from siyu_collect.rpc.requests import ColumnRequest, request_reader
from siyu_kit.clock import Clock
from siyu_kit.errors import InvalidInput
from siyu_kit.limits.place import aside
from siyu_kit.rpc.handlers import RequestReader

MAX_CHUNK_BYTES: Final = 1 << 20
SOURCE: Final = "grpc"


class CollectServicer(CollectServiceServicer):
    """Maps requests to use cases."""

    def __init__(self, take: TakeEvents, import_lines: ImportLines, clock: Clock) -> None:
        self._take = take
        self._import = import_lines
        self._clock = clock
        read_columns = ColumnReader().read
        self.readers: Mapping[str, RequestReader] = {
            "Ingest": request_reader(IngestRequest, read_columns),
            "IngestStream": request_reader(IngestStreamRequest, read_columns),
        }

    async def Ingest(self, request: IngestRequest, context: Any) -> IngestResponse:
        return mapping.ingest_response(await self._ingest(request))

    async def IngestStream(
        self, request_iterator: AsyncIterator[IngestStreamRequest], context: Any
    ) -> IngestStreamResponse:
        total, seen, project_id = Total(), 0, ""
        async for request in request_iterator:
            project_id = _same_project(project_id, request.project_id)
            outcome = await patiently(self._clock, partial(self._ingest, request), aside)
            total.add(outcome, seen)
            seen += outcome.accepted + len(outcome.refused)
        return mapping.stream_response(total)

    async def Import(
        self, request_iterator: AsyncIterator[ImportRequest], context: Any
    ) -> ImportResponse:
        first = await anext(aiter(request_iterator), None)
        if first is None:
            return ImportResponse()
        chunks = _chunks(first, request_iterator)
        return mapping.import_response(await self._import(first.project_id, chunks))

    async def _ingest(
        self, request: IngestRequest | IngestStreamRequest | ColumnRequest
    ) -> Outcome:
        origin = Origin(request.project_id, SOURCE, self._clock.now_ms())
        if isinstance(request, ColumnRequest):
            return await self._take.columns(request.columns, request.odd, origin)
        events = request.events
        if not 1 <= len(events) <= MAX_EVENTS:
            raise InvalidInput(
                "FIELD_INVALID", f"a batch has 1 to {MAX_EVENTS} events", field="events"
            )
        # Fields that this version does not know would pass unjudged to readers that may.
        request.DiscardUnknownFields()
        return await self._take(events, origin)


async def _chunks(
    first: ImportRequest, others: AsyncIterator[ImportRequest]
) -> AsyncIterator[bytes]:
    yield _lines(first)
    async for request in others:
        _same_project(first.project_id, request.project_id)
        yield _lines(request)


def _lines(request: ImportRequest) -> bytes:
    if len(request.lines) > MAX_CHUNK_BYTES:
        raise InvalidInput("FIELD_INVALID", "a chunk has at most 1 MiB", field="lines")
    return request.lines


def _same_project(project_id: str, own: str) -> str:
    if project_id and own != project_id:
        raise InvalidInput(
            "FIELD_INVALID", "project_id is the same in every message", field="project_id"
        )
    return own
