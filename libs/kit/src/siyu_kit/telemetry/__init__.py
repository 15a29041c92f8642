"""OpenTelemetry: off until an endpoint is given, and W3C trace context in any case.

With no exporter nobody records a span, yet trace ids still pass through every call, stream entry
and log line. The process never waits longer than told for a collector that does not answer.
"""

from siyu_kit.telemetry.context import (
    TRACEPARENT,
    TraceIds,
    format_traceparent,
    new_span_id,
    new_trace_id,
    parse_traceparent,
    remote_context,
)
from siyu_kit.telemetry.providers import DISABLED, Telemetry, active, configure_telemetry
from siyu_kit.telemetry.spans import (
    child_span,
    current_trace,
    inject,
    link_current,
    span_from,
)

__all__ = [
    "DISABLED",
    "TRACEPARENT",
    "Telemetry",
    "TraceIds",
    "active",
    "child_span",
    "configure_telemetry",
    "current_trace",
    "format_traceparent",
    "inject",
    "link_current",
    "new_span_id",
    "new_trace_id",
    "parse_traceparent",
    "remote_context",
    "span_from",
]
