"""A channel that prepares every call: deadline, token, trace context.

It wraps the callables of grpc.aio and hands out grpc's own call objects. Client interceptors
would put a task between the caller and the call, and cancellation got lost there.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final, Self

import grpc
from grpc import aio
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from siyu_kit.auth.source import TokenSource
from siyu_kit.errors import DeadlineExceeded
from siyu_kit.limits.priority import PRIORITY_KEY, Priority
from siyu_kit.metric_defs import RPC_CLIENT_DURATION
from siyu_kit.rpc import semconv
from siyu_kit.rpc.renewal import RenewedChannel
from siyu_kit.scope import current_scope
from siyu_kit.telemetry import TRACEPARENT, Telemetry, format_traceparent, inject

DEADLINE_MARGIN_S: Final = 0.02
"""What a server keeps of its own caller's time to answer when its peer does not."""
DEFAULT_TIMEOUT_S: Final = 30.0

Pairs = list[tuple[str, str | bytes]]


def time_left_s(own_s: float | None, method: str) -> float | None:
    """The smaller of an own timeout and what the served caller still waits."""
    scope = current_scope()
    if scope is None or scope.deadline is None:
        return own_s
    remaining = scope.deadline - time.monotonic() - DEADLINE_MARGIN_S
    if remaining <= 0:
        raise DeadlineExceeded(
            "DEADLINE_EXCEEDED", "no time is left to ask another service", method=method
        )
    return remaining if own_s is None else min(own_s, remaining)


def serves_vital() -> bool:
    """Whether the call being served is VITAL: what it needs of others then is so too."""
    scope = current_scope()
    return scope is not None and scope.priority is Priority.VITAL


class KitChannel(aio.Channel):
    """The channel of a peer."""

    def __init__(
        self,
        channel: aio.Channel | RenewedChannel,
        tokens: TokenSource | None,
        telemetry: Telemetry,
    ) -> None:
        self._renewed = (
            channel if isinstance(channel, RenewedChannel) else RenewedChannel.fixed(channel)
        )
        self.tokens = tokens
        self.observer = (
            _ClientObserver(telemetry) if telemetry.tracing or telemetry.meter_provider else None
        )

    def unary_unary(self, method: Any, *args: Any, **kwargs: Any) -> Any:
        return self._callable("unary_unary", method, args, kwargs, DEFAULT_TIMEOUT_S)

    def unary_stream(self, method: Any, *args: Any, **kwargs: Any) -> Any:
        return self._callable("unary_stream", method, args, kwargs)

    def stream_unary(self, method: Any, *args: Any, **kwargs: Any) -> Any:
        return self._callable("stream_unary", method, args, kwargs)

    def stream_stream(self, method: Any, *args: Any, **kwargs: Any) -> Any:
        return self._callable("stream_stream", method, args, kwargs)

    def _callable(
        self,
        shape: str,
        method: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        default_timeout_s: float | None = None,
    ) -> Any:
        def bind(channel: aio.Channel) -> Any:
            return getattr(channel, shape)(method, *args, **kwargs)

        return _Callable(self._renewed.bound(bind), method, self, default_timeout_s)

    async def close(self, grace: float | None = None) -> None:
        await self._renewed.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        return self._renewed.current().get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self._renewed.current().wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self._renewed.current().channel_ready()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class _Callable:
    """One method of a stub; all four shapes take the request, or their iterator, first."""

    def __init__(
        self,
        native: Any,
        method: Any,
        channel: KitChannel,
        default_timeout_s: float | None = None,
    ) -> None:
        self._native = native
        self._method = (method.decode() if isinstance(method, bytes) else str(method)).lstrip("/")
        self._channel = channel
        self._default_timeout_s = default_timeout_s

    def __call__(
        self,
        request: Any = None,
        *,
        timeout: float | None = None,
        metadata: Sequence[tuple[str, str | bytes]] | None = None,
        **kwargs: Any,
    ) -> Any:
        own_s = self._default_timeout_s if timeout is None else timeout
        limit_s = time_left_s(own_s, self._method)
        pairs: Pairs = [] if metadata is None else list(metadata)
        if self._channel.tokens is not None:
            pairs.append(("authorization", "Bearer " + self._channel.tokens.token()))
        if serves_vital():
            pairs.append((PRIORITY_KEY, Priority.VITAL))
        observer = self._channel.observer
        if observer is not None:
            return observer.observed(self, request, limit_s, pairs, kwargs)
        traceparent = inject()
        if traceparent is not None:
            pairs.append((TRACEPARENT, traceparent))
        return self._native(request, timeout=limit_s, metadata=pairs, **kwargs)

    @property
    def method(self) -> str:
        """``siyu.x.v1.XService/Method``."""
        return self._method

    def start(
        self, request: Any, timeout_s: float | None, pairs: Pairs, kwargs: dict[str, Any]
    ) -> Any:
        """The native call."""
        return self._native(request, timeout=timeout_s, metadata=pairs, **kwargs)


class _ClientObserver:
    """Client spans and durations; they end when the call does, however it ends."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._tracer = telemetry.tracer
        self._duration = RPC_CLIENT_DURATION.on(telemetry.meter)
        self._endings: set[asyncio.Task[None]] = set()

    def observed(
        self,
        target: _Callable,
        request: Any,
        timeout_s: float | None,
        pairs: Pairs,
        kwargs: dict[str, Any],
    ) -> Any:
        """Start the call under a span of its own."""
        attributes = {semconv.SYSTEM: semconv.GRPC, semconv.METHOD: target.method}
        span = self._tracer.start_span(target.method, kind=SpanKind.CLIENT, attributes=attributes)
        ids = span.get_span_context()
        traceparent = (
            format_traceparent(ids.trace_id, ids.span_id, sampled=ids.trace_flags.sampled)
            if ids.is_valid
            else inject()
        )
        if traceparent is not None:
            pairs.append((TRACEPARENT, traceparent))
        started = time.monotonic()
        call = target.start(request, timeout_s, pairs, kwargs)

        def done(_: Any) -> None:
            ending = asyncio.ensure_future(self._end(call, span, attributes, started))
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)

        call.add_done_callback(done)
        return call

    async def _end(self, call: Any, span: Span, attributes: dict[str, str], started: float) -> None:
        code: grpc.StatusCode = await call.code()
        self._duration.record(
            time.monotonic() - started,
            {**attributes, semconv.STATUS_CODE: code.name},
            context=trace.set_span_in_context(span),  # this task has a context of its own
        )
        span.set_attribute(semconv.STATUS_CODE, code.name)
        if code is not grpc.StatusCode.OK:
            span.set_attribute(semconv.ERROR_TYPE, code.name)
            span.set_status(Status(StatusCode.ERROR, code.name))
        span.end()
