"""OpenTelemetry: providers that are off until an endpoint is given, and W3C trace context.

With no exporter nobody records a span, yet trace ids still pass through every call, stream entry
and log line. The process never waits longer than told for a collector that does not answer.
"""

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import Meter, NoOpMeter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    NoOpTracer,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
)

from siyu_kit.scope import Scope, current_scope, enter_scope, leave_scope

TRACEPARENT: Final = "traceparent"
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_NOT_SAMPLED: Final = TraceFlags(TraceFlags.DEFAULT)

TraceIds = tuple[int, int, bool]
"""Trace id, span id, sampled."""


@dataclass(frozen=True)
class Telemetry:
    """What a service traces and measures with. ``tracing`` False: spans are not recorded."""

    tracer: Tracer
    meter: Meter
    tracing: bool = False
    tracer_provider: TracerProvider | None = None
    meter_provider: MeterProvider | None = None

    def shutdown(self, timeout_s: float = 3.0) -> bool:
        """Flush and close; give up after ``timeout_s`` and return False."""

        def close() -> None:
            if self.tracer_provider is not None:
                self.tracer_provider.force_flush(int(timeout_s * 1000))
                self.tracer_provider.shutdown()
            if self.meter_provider is not None:
                self.meter_provider.shutdown(timeout_s * 1000)

        worker = threading.Thread(target=close, name="telemetry-flush", daemon=True)
        worker.start()
        worker.join(timeout_s)
        return not worker.is_alive()


DISABLED: Final = Telemetry(NoOpTracer(), NoOpMeter("siyu"))
_active: Telemetry = DISABLED


def configure_telemetry(
    service: str,
    otlp_endpoint: str | None = None,
    *,
    span_exporter: SpanExporter | None = None,
    metric_reader: MetricReader | None = None,
) -> Telemetry:
    """Set up this process's telemetry (after any fork). Tests pass an exporter or a reader."""
    global _active  # noqa: PLW0603 - one telemetry a process, as OpenTelemetry has it
    resource = Resource.create({"service.name": f"siyu-{service}"})
    tracer_provider = _tracer_provider(resource, otlp_endpoint, span_exporter)
    meter_provider = _meter_provider(resource, otlp_endpoint, metric_reader)
    _active = Telemetry(
        tracer=tracer_provider.get_tracer("siyu") if tracer_provider else DISABLED.tracer,
        meter=meter_provider.get_meter("siyu") if meter_provider else DISABLED.meter,
        tracing=tracer_provider is not None,
        tracer_provider=tracer_provider,
        meter_provider=meter_provider,
    )
    return _active


def active() -> Telemetry:
    """The telemetry configured last, else one that does nothing."""
    return _active


def _tracer_provider(
    resource: Resource, endpoint: str | None, exporter: SpanExporter | None
) -> TracerProvider | None:
    if exporter is None and endpoint is None:
        return None
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    if exporter is not None:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    if endpoint is not None:
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return provider


def _meter_provider(
    resource: Resource, endpoint: str | None, reader: MetricReader | None
) -> MeterProvider | None:
    readers: list[MetricReader] = [] if reader is None else [reader]
    if endpoint is not None:
        readers.append(PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=endpoint)))
    if not readers:
        return None
    return MeterProvider(readers, resource=resource, shutdown_on_exit=False)


def new_trace_id() -> int:
    """A random trace id, never 0."""
    return random.getrandbits(128) or 1


def new_span_id() -> int:
    """A random span id, never 0."""
    return random.getrandbits(64) or 1


def parse_traceparent(value: str | None) -> TraceIds | None:
    """Read a W3C ``traceparent``; None for a missing or malformed one (never an error)."""
    if value is None or len(value) < 55 or value[:2] == "ff":
        return None
    if value[2] != "-" or value[35] != "-" or value[52] != "-":
        return None
    try:
        trace_id, span_id = int(value[3:35], 16), int(value[36:52], 16)
        flags = int(value[53:55], 16)
    except ValueError:
        return None
    if trace_id <= 0 or span_id <= 0:
        return None
    return trace_id, span_id, bool(flags & TraceFlags.SAMPLED)


def format_traceparent(trace_id: int, span_id: int, *, sampled: bool) -> str:
    """The W3C form, version 00."""
    return f"00-{trace_id:032x}-{span_id:016x}-0{int(sampled)}"


def current_trace() -> TraceIds | None:
    """Ids of the innermost span (recorded or not) around the running code."""
    if _active.tracing:
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            return context.trace_id, context.span_id, context.trace_flags.sampled
    scope = current_scope()
    return None if scope is None else (scope.trace_id, scope.span_id, scope.sampled)


def inject() -> str | None:
    """``traceparent`` to send along with a call or a stream entry; None outside of any trace."""
    ids = current_trace()
    return None if ids is None else format_traceparent(ids[0], ids[1], sampled=ids[2])


def remote_context(ids: TraceIds) -> SpanContext:
    """The span context of a caller, as a parent or a link."""
    return SpanContext(
        ids[0], ids[1], is_remote=True, trace_flags=_SAMPLED if ids[2] else _NOT_SAMPLED
    )


@contextmanager
def span_from(
    name: str = "process",
    *,
    links: Sequence[str | None] = (),
    parent: str | None = None,
    kind: SpanKind = SpanKind.CONSUMER,
) -> Iterator[Scope]:
    """A span around a piece of work that no call surrounds, such as one batch of a stream.

    ``links`` are the traceparents of the batch's messages (missing or malformed ones are left
    out); ``parent`` continues one trace instead, for work that one message alone caused. An
    exception marks the span as failed. Not for use across a ``yield``.
    """
    parent_ids = parse_traceparent(parent)
    if not _active.tracing:
        trace_id = parent_ids[0] if parent_ids else new_trace_id()
        sampled = bool(parent_ids and parent_ids[2])
        scope = Scope(name, trace_id, new_span_id(), sampled=sampled)
        token = enter_scope(scope)
        try:
            yield scope
        finally:
            leave_scope(token)
        return
    # Root spans start from an empty context: the worker's own surroundings are not their cause.
    context = trace.set_span_in_context(
        NonRecordingSpan(remote_context(parent_ids)) if parent_ids else trace.INVALID_SPAN
    )
    linked = [Link(remote_context(ids)) for ids in map(parse_traceparent, links) if ids]
    span = _active.tracer.start_span(name, context=context, kind=kind, links=linked)
    ids = span.get_span_context()
    scope = Scope(name, ids.trace_id, ids.span_id, sampled=ids.trace_flags.sampled)
    token = enter_scope(scope)
    try:
        with trace.use_span(span, record_exception=False, set_status_on_exception=False):
            yield scope
    except Exception as error:
        span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        raise
    finally:
        leave_scope(token)
        span.end()
