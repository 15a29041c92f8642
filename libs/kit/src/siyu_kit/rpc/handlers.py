"""What every call passes through on its way to the servicer and back.

In this order: trace, deadline, access, request, handler, masks, errors. It is one function per
call shape, made once per method at start, instead of a chain of interceptors: nothing is looked
up per call that could be decided before, and cancellation has no layer to get lost in.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final, NoReturn

import grpc
from google.protobuf.message import DecodeError

from siyu_kit.auth.caller import Caller
from siyu_kit.auth.masking import masker_of
from siyu_kit.auth.policy import access_of
from siyu_kit.auth.tokens import TokenVerifier
from siyu_kit.errors import DeadlineExceeded, DomainError, InvalidInput
from siyu_kit.log import get_logger
from siyu_kit.rpc.gate import Gate
from siyu_kit.rpc.observer import CallObserver, CallRecord
from siyu_kit.rpc.status import STATUS_KEY, grpc_code, to_status
from siyu_kit.telemetry import TRACEPARENT, Telemetry, parse_traceparent

logger = get_logger(__name__)

_OK: Final = grpc.StatusCode.OK
_CANCELLED: Final = grpc.StatusCode.CANCELLED
_DEADLINE: Final = grpc.StatusCode.DEADLINE_EXCEEDED


class MethodPipeline:
    """Serves one method: its handler, wrapped."""

    def __init__(
        self,
        method: str,
        handler: grpc.RpcMethodHandler[Any, Any],
        *,
        verifier: TokenVerifier,
        telemetry: Telemetry,
        default_deadline_s: float,
    ) -> None:
        """Raises PolicyMissingError or TypeError for a method that may not be served like this."""
        access = access_of(method)
        self._method = method
        self._gate = Gate(access, verifier)
        self._observer = CallObserver(access, telemetry)
        self._masker = masker_of(access.response)
        self._reveal = access.reveal
        self._default_deadline_s = default_deadline_s
        self._parse: Callable[[bytes], Any] = _required(handler.request_deserializer)
        self._behaviour = _behaviour_of(method, handler)

    # --- the four shapes ---------------------------------------------------------------

    async def unary_unary(self, raw: bytes, context: Any) -> bytes:
        record, authorization = self._begin(context)
        try:
            caller = self._gate.authenticate(authorization, record.scope)
            request = self._request(raw, caller, record)
            response = await self._within_deadline(self._behaviour(request, context), record)
            answer = self._render(response, caller)
        except BaseException as error:  # noqa: BLE001 - all of them end the call's record
            await self._fail(error, record, context)
        self._observer.end(record, _OK)
        return answer

    async def unary_stream(self, raw: bytes, context: Any) -> None:
        record, authorization = self._begin(context)
        try:
            caller = self._gate.authenticate(authorization, record.scope)
            request = self._request(raw, caller, record)
            sending = self._send_all(self._behaviour(request, context), caller, context)
            await self._within_deadline(sending, record)
        except BaseException as error:  # noqa: BLE001
            await self._fail(error, record, context)
        self._observer.end(record, _OK)

    async def stream_unary(self, raws: AsyncIterator[bytes], context: Any) -> bytes:
        record, authorization = self._begin(context)
        try:
            caller = self._gate.authenticate(authorization, record.scope)
            requests = self._requests(raws, caller, record)
            response = await self._within_deadline(self._behaviour(requests, context), record)
            answer = self._render(response, caller)
        except BaseException as error:  # noqa: BLE001
            await self._fail(error, record, context)
        self._observer.end(record, _OK)
        return answer

    async def stream_stream(self, raws: AsyncIterator[bytes], context: Any) -> None:
        record, authorization = self._begin(context)
        try:
            caller = self._gate.authenticate(authorization, record.scope)
            requests = self._requests(raws, caller, record)
            sending = self._send_all(self._behaviour(requests, context), caller, context)
            await self._within_deadline(sending, record)
        except BaseException as error:  # noqa: BLE001
            await self._fail(error, record, context)
        self._observer.end(record, _OK)

    # --- the steps ---------------------------------------------------------------------

    def _begin(self, context: Any) -> tuple[CallRecord, str | None]:
        authorization = traceparent = None
        for key, value in context.invocation_metadata():
            if key == "authorization":
                authorization = value
            elif key == TRACEPARENT:
                traceparent = value
        record = self._observer.begin(parse_traceparent(traceparent))
        remaining = context.time_remaining()
        if remaining is not None:
            record.scope.deadline = record.started + remaining
        return record, authorization

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

    def _request(self, raw: bytes, caller: Caller, record: CallRecord) -> Any:
        try:
            request = self._parse(raw)
        except DecodeError:
            raise InvalidInput("FIELD_INVALID", "the request is not a valid message") from None
        self._gate.admit(caller, request, record.scope)
        self._observer.note_ids(record, request)
        return request

    async def _requests(
        self, raws: AsyncIterator[bytes], caller: Caller, record: CallRecord
    ) -> AsyncIterator[Any]:
        async for raw in raws:
            yield self._request(raw, caller, record)

    async def _send_all(self, responses: Any, caller: Caller, context: Any) -> None:
        async with aclosing(responses):
            async for response in responses:
                await context.write(self._render(response, caller))

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
        self._observer.end(record, code)
        await context.abort(code, status.message, ((STATUS_KEY, status.SerializeToString()),))
        raise AssertionError("abort returned")  # pragma: no cover


def _as_code(code: Any) -> grpc.StatusCode:
    return code if isinstance(code, grpc.StatusCode) else grpc_code(int(code or 0))


def _required(deserializer: Any) -> Callable[[bytes], Any]:
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
