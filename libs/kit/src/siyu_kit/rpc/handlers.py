"""What every call passes through on its way to the servicer and back.

In this order: trace, deadline, access, project, a place in the queue, request, handler, masks,
errors. It is one function per
call shape, made once per method at start, instead of a chain of interceptors: nothing is looked
up per call that could be decided before, and cancellation has no layer to get lost in.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from typing import Any, Final, NoReturn

import grpc

from siyu_kit.audit.trail import AuditTrail
from siyu_kit.auth.caller import Caller
from siyu_kit.auth.masking import masker_of
from siyu_kit.auth.policy import access_of
from siyu_kit.auth.tokens import TokenVerifier
from siyu_kit.errors import DeadlineExceeded, DomainError
from siyu_kit.limits.admission import Admission
from siyu_kit.limits.priority import PRIORITY_KEY
from siyu_kit.log import get_logger
from siyu_kit.rpc.entrance import Entrance
from siyu_kit.rpc.gate import Gate
from siyu_kit.rpc.observer import CallObserver, CallRecord
from siyu_kit.rpc.retries import PUSHBACK_KEY, pushback
from siyu_kit.rpc.status import STATUS_KEY, grpc_code, to_status
from siyu_kit.scope import REQUEST_ID_KEY
from siyu_kit.telemetry import TRACEPARENT, Telemetry, parse_traceparent

logger = get_logger(__name__)

_OK: Final = grpc.StatusCode.OK
_CANCELLED: Final = grpc.StatusCode.CANCELLED
_DEADLINE: Final = grpc.StatusCode.DEADLINE_EXCEEDED

Asked = tuple[str | None, str | None]
"""Authorization and priority, as the caller sent them."""

RequestReader = Callable[[bytes], Any]
"""Makes a request of its bytes; raises DecodeError for what is not a valid message.

Instead of the message it may return an object that stands for it. That has the fields which are
read before the handler: ``project_id`` and, where calls are audited, the ids. Nothing but the
caller's right to the project was checked before, so a reader trusts no byte.
"""


class MethodPipeline:
    """Serves one method: its handler, wrapped."""

    def __init__(
        self,
        method: str,
        handler: grpc.RpcMethodHandler[Any, Any],
        *,
        verifier: TokenVerifier,
        telemetry: Telemetry,
        admission: Admission,
        default_deadline_s: float,
        reader: RequestReader | None = None,
        trail: AuditTrail | None = None,
    ) -> None:
        """Raises PolicyMissingError or TypeError for a method that may not be served like this."""
        access = access_of(method)
        self._method = method
        self._gate = Gate(access, verifier)
        parse = reader or _required(handler.request_deserializer)
        self._entrance = Entrance(access, self._gate, admission, parse)
        self._observer = CallObserver(access, telemetry)
        self._masker = masker_of(access.response)
        self._reveal = access.reveal
        self._trail = trail if access.audited else None
        self._default_deadline_s = default_deadline_s
        self._behaviour = _behaviour_of(method, handler)

    # --- the four shapes ---------------------------------------------------------------

    async def unary_unary(self, raw: bytes, context: Any) -> bytes:
        record, asked = self._begin(context)
        try:
            caller = self._admitted(asked, record)
            work = self._one(raw, caller, record, context)
            answer: bytes = await self._within_deadline(work, record)
        except BaseException as error:  # noqa: BLE001 - all of them end the call's record
            await self._fail(error, record, context)
        self._observer.end(record, _OK)
        return answer

    async def unary_stream(self, raw: bytes, context: Any) -> None:
        record, asked = self._begin(context)
        try:
            caller = self._admitted(asked, record)
            await self._within_deadline(self._stream(raw, caller, record, context), record)
        except BaseException as error:  # noqa: BLE001
            await self._fail(error, record, context)
        self._observer.end(record, _OK)

    async def stream_unary(self, raws: AsyncIterator[bytes], context: Any) -> bytes:
        record, asked = self._begin(context)
        try:
            caller = self._admitted(asked, record)
            async with aclosing(self._requests(raws, caller, record)) as requests:
                work = self._behaviour(requests, context)
                answer = self._render(await self._within_deadline(work, record), caller)
                await self._recorded(record)
        except BaseException as error:  # noqa: BLE001
            await self._fail(error, record, context)
        self._observer.end(record, _OK)
        return answer

    async def stream_stream(self, raws: AsyncIterator[bytes], context: Any) -> None:
        record, asked = self._begin(context)
        try:
            caller = self._admitted(asked, record)
            async with aclosing(self._requests(raws, caller, record)) as requests:
                responses = self._behaviour(requests, context)
                sending = self._send_all(responses, caller, record, context)
                await self._within_deadline(sending, record)
        except BaseException as error:  # noqa: BLE001
            await self._fail(error, record, context)
        self._observer.end(record, _OK)

    # --- the steps ---------------------------------------------------------------------

    def _begin(self, context: Any) -> tuple[CallRecord, Asked]:
        authorization = traceparent = priority = None
        request_id = ""
        for key, value in context.invocation_metadata():
            if key == "authorization":
                authorization = value
            elif key == TRACEPARENT:
                traceparent = value
            elif key == PRIORITY_KEY:
                priority = value
            elif key == REQUEST_ID_KEY:
                request_id = value
        record = self._observer.begin(parse_traceparent(traceparent))
        record.scope.request_id = request_id
        remaining = context.time_remaining()
        if remaining is not None:
            record.scope.deadline = record.started + remaining
        return record, (authorization, priority)

    def _admitted(self, asked: Asked, record: CallRecord) -> Caller:
        caller = self._gate.authenticate(asked[0], record.scope)
        self._entrance.rank(caller, asked[1], record.scope)
        return caller

    async def _one(self, raw: bytes, caller: Caller, record: CallRecord, context: Any) -> bytes:
        async with self._entrance.request(raw, caller, record.scope):
            request = self._request(raw, record)
            answer = self._render(await self._behaviour(request, context), caller)
            await self._recorded(record)
            return answer

    async def _stream(self, raw: bytes, caller: Caller, record: CallRecord, context: Any) -> None:
        # The place in the queue is for the first look; a stream that stays open must not keep it.
        async with self._entrance.request(raw, caller, record.scope):
            request = self._request(raw, record)
        async with self._entrance.stream(record.scope):
            await self._send_all(self._behaviour(request, context), caller, record, context)

    async def _within_deadline(self, work: Awaitable[Any], record: CallRecord) -> Any:
        """Await the work; gRPC itself enforces a caller's deadline, this one the default."""
        if record.scope.deadline is not None:
            return await work
        record.scope.deadline = record.started + self._default_deadline_s
        limit = asyncio.timeout(self._default_deadline_s)
        try:
            async with limit:
                return await work
        except TimeoutError:
            if limit.expired():
                raise DeadlineExceeded(
                    "DEADLINE_EXCEEDED",
                    f"a call without a deadline is given {self._default_deadline_s:g} s",
                    method=self._method,
                ) from None
            raise

    def _request(self, raw: bytes, record: CallRecord) -> Any:
        request = self._entrance.parsed(raw, record.scope)
        self._observer.note_ids(record, request)
        if self._trail is not None and record.scope.audit is None:
            self._trail.open(record.scope, record.ids)
        return request

    async def _recorded(self, record: CallRecord) -> None:
        """Before the answer leaves: nothing is shown that the audit log does not know of."""
        if self._trail is not None:
            await self._trail.succeeded(record.scope)

    async def _requests(
        self, raws: AsyncIterator[bytes], caller: Caller, record: CallRecord
    ) -> AsyncGenerator[Any, None]:
        async with AsyncExitStack() as stream:
            opened = False
            async for raw in raws:
                # The place is given back when the handler asks for the next message.
                async with self._entrance.message(raw, caller, record.scope):
                    if not opened:
                        await stream.enter_async_context(self._entrance.stream(record.scope))
                        opened = True
                    yield self._request(raw, record)

    async def _send_all(
        self, responses: Any, caller: Caller, record: CallRecord, context: Any
    ) -> None:
        async with aclosing(responses):
            async for response in responses:
                await self._recorded(record)
                await context.write(self._render(response, caller))
        await self._recorded(record)

    def _render(self, response: Any, caller: Caller) -> bytes:
        if self._masker is not None and self._reveal not in caller.permissions:
            response = self._masker.masked(response)
        data: bytes = response.SerializeToString()
        return data

    async def _fail(self, error: BaseException, record: CallRecord, context: Any) -> NoReturn:
        """End the record and the call; what a client may know goes out, the rest to the log."""
        if isinstance(error, grpc.aio.AbortError):
            self._observer.end(record, _as_code(context.code()))
            raise error
        if not isinstance(error, Exception):
            late = record.scope.deadline is not None and time.monotonic() >= record.scope.deadline
            record.reason = "DEADLINE_EXCEEDED" if late else "CANCELLED"
            self._observer.end(record, _DEADLINE if late else _CANCELLED)
            raise error
        status = to_status(error, trace_id=f"{record.scope.trace_id:032x}")
        code = grpc_code(status.code)
        if code is grpc.StatusCode.INTERNAL:
            record.reason = "INTERNAL"
            logger.error("rpc_failed", exc_info=error)
        elif isinstance(error, DomainError):
            record.reason = error.reason
            logger.debug("rpc_refused", code=code.name, reason=error.reason)
        if self._trail is not None:
            await self._trail.failed(record.scope, code.name, record.reason)
        self._observer.end(record, code)
        trailers: list[tuple[str, str | bytes]] = [(STATUS_KEY, status.SerializeToString())]
        wait_ms = pushback(error, record.scope.deadline)
        if wait_ms is not None:
            trailers.append((PUSHBACK_KEY, wait_ms))
        await context.abort(code, status.message, tuple(trailers))
        raise AssertionError("abort returned")  # pragma: no cover


def _as_code(code: Any) -> grpc.StatusCode:
    return code if isinstance(code, grpc.StatusCode) else grpc_code(int(code or 0))


def _required(deserializer: Any) -> RequestReader:
    if deserializer is None:
        raise TypeError("a handler without a request type cannot be served")
    return deserializer  # type: ignore[no-any-return]


def _behaviour_of(method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> Callable[..., Any]:
    """The servicer's function; response streams are async generators, the others coroutines."""
    if handler.response_streaming:
        behaviour = handler.stream_stream if handler.request_streaming else handler.unary_stream
        fits = inspect.isasyncgenfunction(behaviour)
    else:
        behaviour = handler.stream_unary if handler.request_streaming else handler.unary_unary
        fits = inspect.iscoroutinefunction(behaviour)
    if not fits or behaviour is None:
        raise TypeError(f"{method}: handlers are `async def`, with `yield` for response streams")
    return behaviour


def wrapped(
    pipeline: MethodPipeline, handler: grpc.RpcMethodHandler[Any, Any]
) -> grpc.RpcMethodHandler[Any, Any]:
    """The handler that is given to gRPC: bytes in, bytes out, the shape of the original."""
    if handler.request_streaming and handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler(pipeline.stream_stream)
    if handler.request_streaming:
        return grpc.stream_unary_rpc_method_handler(pipeline.stream_unary)
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler(pipeline.unary_stream)
    return grpc.unary_unary_rpc_method_handler(pipeline.unary_unary)
