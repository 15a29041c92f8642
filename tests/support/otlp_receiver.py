"""An OTLP receiver in the test's own process: what exporters send is kept and can be asked."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_pb
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_pb
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as trace_grpc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

Ids = tuple[str, str]
"""Trace id and span id, hexadecimal."""


@dataclass(frozen=True)
class SpanSeen:
    """One span as it arrived."""

    service: str
    name: str
    kind: str
    ids: Ids
    parent: str
    links: tuple[Ids, ...]
    attributes: Mapping[str, Any]
    failed: bool
    status: str


@dataclass(frozen=True)
class LogSeen:
    """One log record as it arrived."""

    service: str
    body: str
    severity: str
    ids: Ids
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class PointSeen:
    """The last state of one series."""

    service: str
    name: str
    attributes: Mapping[str, Any]
    value: float
    """A sum's or gauge's value, a distribution's number of values."""
    exemplars: tuple[Ids, ...]


@dataclass
class OtlpReceiver:
    """Serves the three collector services on a free port of loopback."""

    payloads: list[tuple[str, bytes]] = field(default_factory=list)
    """Signal and request, as received."""
    spans: dict[Ids, SpanSeen] = field(default_factory=dict)
    logs: list[LogSeen] = field(default_factory=list)
    points: dict[tuple[object, ...], PointSeen] = field(default_factory=dict)
    resources: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock = Lock()
        self._server = grpc.server(ThreadPoolExecutor(4))
        port = self._server.add_insecure_port("127.0.0.1:0")
        self.endpoint = f"http://127.0.0.1:{port}"
        trace_grpc.add_TraceServiceServicer_to_server(  # type: ignore[no-untyped-call]
            _Traces(self), self._server
        )
        metrics_grpc.add_MetricsServiceServicer_to_server(  # type: ignore[no-untyped-call]
            _Metrics(self), self._server
        )
        logs_grpc.add_LogsServiceServicer_to_server(  # type: ignore[no-untyped-call]
            _Logs(self), self._server
        )

    def start(self) -> None:
        """Listen."""
        self._server.start()

    def stop(self) -> None:
        """Close."""
        self._server.stop(1).wait()

    def take_spans(self, request: Any) -> None:
        """Keep what an ExportTraceServiceRequest brings."""
        with self._lock:
            self.payloads.append(("trace", request.SerializeToString()))
            for resource in request.resource_spans:
                service = self._service(resource.resource.attributes)
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        seen = _span(service, span)
                        self.spans[seen.ids] = seen

    def take_logs(self, request: Any) -> None:
        """Keep what an ExportLogsServiceRequest brings."""
        with self._lock:
            self.payloads.append(("log", request.SerializeToString()))
            for resource in request.resource_logs:
                service = self._service(resource.resource.attributes)
                for scope in resource.scope_logs:
                    for record in scope.log_records:
                        self.logs.append(
                            LogSeen(
                                service,
                                record.body.string_value,
                                record.severity_text,
                                (record.trace_id.hex(), record.span_id.hex()),
                                _plain(record.attributes),
                            )
                        )

    def take_metrics(self, request: Any) -> None:
        """Keep what an ExportMetricsServiceRequest brings."""
        with self._lock:
            self.payloads.append(("metric", request.SerializeToString()))
            for resource in request.resource_metrics:
                service = self._service(resource.resource.attributes)
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        for point in _points(service, metric):
                            labels = tuple(sorted(point.attributes.items()))
                            self.points[service, point.name, labels] = point

    def series(self, name: str, **labels: Any) -> list[PointSeen]:
        """Series of a metric with these labels (dots written as underscores)."""
        with self._lock:
            found = list(self.points.values())
        return [
            point
            for point in found
            if point.name == name
            and labels.items()
            <= {key.replace(".", "_"): value for key, value in point.attributes.items()}.items()
        ]

    def named(self, name: str, service: str = "") -> list[SpanSeen]:
        """Spans with a name."""
        with self._lock:
            found = list(self.spans.values())
        return [
            span for span in found if span.name == name and (not service or span.service == service)
        ]

    def _service(self, attributes: Any) -> str:
        plain = _plain(attributes)
        service = str(plain["service.name"])
        self.resources[service] = plain
        return service


class _Traces(trace_grpc.TraceServiceServicer):
    def __init__(self, receiver: OtlpReceiver) -> None:
        self._receiver = receiver

    def Export(self, request: Any, context: Any) -> trace_pb.ExportTraceServiceResponse:
        self._receiver.take_spans(request)
        return trace_pb.ExportTraceServiceResponse()


class _Metrics(metrics_grpc.MetricsServiceServicer):
    def __init__(self, receiver: OtlpReceiver) -> None:
        self._receiver = receiver

    def Export(self, request: Any, context: Any) -> metrics_pb.ExportMetricsServiceResponse:
        self._receiver.take_metrics(request)
        return metrics_pb.ExportMetricsServiceResponse()


class _Logs(logs_grpc.LogsServiceServicer):
    def __init__(self, receiver: OtlpReceiver) -> None:
        self._receiver = receiver

    def Export(self, request: Any, context: Any) -> logs_pb.ExportLogsServiceResponse:
        self._receiver.take_logs(request)
        return logs_pb.ExportLogsServiceResponse()


def _span(service: str, span: SpanMessage) -> SpanSeen:
    return SpanSeen(
        service=service,
        name=span.name,
        kind=SpanMessage.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        ids=(span.trace_id.hex(), span.span_id.hex()),
        parent=span.parent_span_id.hex(),
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        attributes=_plain(span.attributes),
        failed=span.status.code == 2,
        status=span.status.message,
    )


def _points(service: str, metric: Any) -> Iterator[PointSeen]:
    kind = metric.WhichOneof("data")
    for point in getattr(metric, kind).data_points:
        number = point.count if kind == "histogram" else _number(point)
        exemplars = tuple((one.trace_id.hex(), one.span_id.hex()) for one in point.exemplars)
        yield PointSeen(service, metric.name, _plain(point.attributes), number, exemplars)


def _number(point: Any) -> float:
    return float(getattr(point, point.WhichOneof("value")))


def _plain(attributes: Any) -> dict[str, Any]:
    return {pair.key: _value(pair) for pair in attributes}


def _value(pair: KeyValue) -> Any:
    value: AnyValue = pair.value
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    found = getattr(value, kind)
    return str(found) if kind in {"array_value", "kvlist_value"} else found
