"""This process's providers of spans, metrics and log records, and their bounded end."""

import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Final

from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import Meter, NoOpMeter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    LogRecordExporter,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.trace import NoOpTracer, Tracer

from siyu_kit.telemetry.sampling import sampler

INTERVAL_S: Final = 15.0
"""How often metrics leave, unless told otherwise."""


@dataclass(frozen=True)
class Telemetry:
    """What a service traces and measures with. ``tracing`` False: spans are not recorded."""

    tracer: Tracer
    meter: Meter
    tracing: bool = False
    tracer_provider: TracerProvider | None = None
    meter_provider: MeterProvider | None = None
    logger_provider: LoggerProvider | None = None

    @property
    def measuring(self) -> bool:
        """Whether metrics go anywhere."""
        return self.meter_provider is not None

    def shutdown(self, timeout_s: float = 3.0) -> bool:
        """Flush and close; give up after ``timeout_s`` and return False.

        Each signal has a thread of its own, so that one that hangs takes no other with it.
        """
        providers = (self.tracer_provider, self.meter_provider, self.logger_provider)
        closers: list[Callable[[], object]] = [
            provider.shutdown for provider in providers if provider is not None
        ]
        threads = [
            threading.Thread(target=close, name="telemetry-flush", daemon=True) for close in closers
        ]
        deadline = time.monotonic() + timeout_s
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)


DISABLED: Final = Telemetry(NoOpTracer(), NoOpMeter("siyu"))
_active: Telemetry = DISABLED


def configure_telemetry(
    service: str,
    otlp_endpoint: str | None = None,
    *,
    trace_ratio: float = 1.0,
    interval_s: float = INTERVAL_S,
    span_exporter: SpanExporter | None = None,
    metric_reader: MetricReader | None = None,
    log_exporter: LogRecordExporter | None = None,
) -> Telemetry:
    """Set up this process's telemetry (after any fork). Tests pass exporters or a reader."""
    global _active  # noqa: PLW0603 - one telemetry a process, as OpenTelemetry has it
    resource = _resource(service)
    tracer_provider = _tracer_provider(resource, otlp_endpoint, span_exporter, trace_ratio)
    meter_provider = _meter_provider(resource, otlp_endpoint, metric_reader, interval_s)
    _active = Telemetry(
        tracer=tracer_provider.get_tracer("siyu") if tracer_provider else DISABLED.tracer,
        meter=meter_provider.get_meter("siyu") if meter_provider else DISABLED.meter,
        tracing=tracer_provider is not None,
        tracer_provider=tracer_provider,
        meter_provider=meter_provider,
        logger_provider=_logger_provider(resource, otlp_endpoint, log_exporter),
    )
    return _active


def active() -> Telemetry:
    """The telemetry configured last, else one that does nothing."""
    return _active


def _resource(service: str) -> Resource:
    """Which process this is; the host's name and the process number tell replicas apart."""
    try:
        version = metadata.version(f"siyu-{service}")
    except metadata.PackageNotFoundError:
        version = "unknown"
    return Resource.create(
        {
            "service.name": f"siyu-{service}",
            "service.version": version,
            "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
        }
    )


def _tracer_provider(
    resource: Resource, endpoint: str | None, exporter: SpanExporter | None, ratio: float
) -> TracerProvider | None:
    if exporter is None and endpoint is None:
        return None
    provider = TracerProvider(sampler(ratio), resource, shutdown_on_exit=False)
    if exporter is not None:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    if endpoint is not None:
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return provider


def _meter_provider(
    resource: Resource, endpoint: str | None, reader: MetricReader | None, interval_s: float
) -> MeterProvider | None:
    readers: list[MetricReader] = [] if reader is None else [reader]
    if endpoint is not None:
        exporter = OTLPMetricExporter(endpoint=endpoint)
        readers.append(PeriodicExportingMetricReader(exporter, interval_s * 1000))
    if not readers:
        return None
    return MeterProvider(readers, resource=resource, shutdown_on_exit=False)


def _logger_provider(
    resource: Resource, endpoint: str | None, exporter: LogRecordExporter | None
) -> LoggerProvider | None:
    if exporter is None and endpoint is None:
        return None
    provider = LoggerProvider(resource, shutdown_on_exit=False)
    if exporter is not None:
        provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    if endpoint is not None:
        provider.add_log_record_processor(
            BatchLogRecordProcessor(OTLPLogExporter(endpoint=endpoint))
        )
    return provider
