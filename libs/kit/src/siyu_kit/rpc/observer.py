"""What is recorded about calls of one method: spans, durations and the audit line."""

import time
from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf.descriptor import FieldDescriptor
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, Span, SpanKind, Status, StatusCode

from siyu.type.v1 import security_pb2
from siyu_kit.auth.policy import Access
from siyu_kit.log import audit_logger, plain_id
from siyu_kit.metric_defs import RPC_ERRORS, RPC_SERVER_ACTIVE, RPC_SERVER_DURATION
from siyu_kit.rpc import semconv
from siyu_kit.scope import Scope, enter_scope
from siyu_kit.telemetry import (
    Telemetry,
    TraceIds,
    new_span_id,
    new_trace_id,
    remote_context,
)


class CallRecord:
    """One call while it is served."""

    __slots__ = ("ids", "reason", "scope", "span", "started")

    def __init__(self, scope: Scope, span: Span | None, started: float) -> None:
        self.scope = scope
        self.span = span
        self.started = started
        self.reason = ""
        self.ids: Mapping[str, str] = {}


class CallObserver:
    """Opens and closes the record of each call. With nothing to export it only hands out ids."""

    def __init__(self, access: Access, telemetry: Telemetry) -> None:
        self._method = access.method
        self._tracer = telemetry.tracer if telemetry.tracing else None
        self._measured = telemetry.measuring
        self._active = RPC_SERVER_ACTIVE.on(telemetry.meter)
        self._duration = RPC_SERVER_DURATION.on(telemetry.meter)
        self._errors = RPC_ERRORS.on(telemetry.meter)
        base = {semconv.SYSTEM: semconv.GRPC, semconv.METHOD: access.method}
        self._attributes: Mapping[str, str] = base
        self._by_code = {code: {**base, semconv.STATUS_CODE: code.name} for code in grpc.StatusCode}
        self._id_fields = _id_fields(access) if access.audited else ()
        self._audit_log = audit_logger() if access.audited else None

    def begin(self, ids: TraceIds | None) -> CallRecord:
        """Open the record and make its scope current for the rest of the call's task."""
        started = time.monotonic()
        if self._tracer is None:
            if ids is None:
                scope = Scope(self._method, new_trace_id(), new_span_id(), sampled=False)
            else:
                scope = Scope(self._method, ids[0], new_span_id(), sampled=ids[2])
            record = CallRecord(scope, None, started)
        else:
            record = self._begin_span(ids, started)
        if self._measured:
            self._active.add(1, self._attributes)
        enter_scope(record.scope)
        return record

    def _begin_span(self, ids: TraceIds | None, started: float) -> CallRecord:
        assert self._tracer is not None  # noqa: S101 - narrowed by the caller
        parent = NonRecordingSpan(remote_context(ids)) if ids else trace.INVALID_SPAN
        span = self._tracer.start_span(
            self._method,
            context=trace.set_span_in_context(parent),
            kind=SpanKind.SERVER,
            attributes=self._attributes,
        )
        # Current until the call's own task ends: nothing is detached, so nothing can fail to be.
        otel_context.attach(trace.set_span_in_context(span))
        own = span.get_span_context()
        scope = Scope(self._method, own.trace_id, own.span_id, sampled=own.trace_flags.sampled)
        return CallRecord(scope, span, started)

    def end(self, record: CallRecord, code: grpc.StatusCode) -> None:
        """Close the record with the code that the caller sees."""
        if self._measured:
            self._active.add(-1, self._attributes)
            self._duration.record(time.monotonic() - record.started, self._by_code[code])
            if code is not grpc.StatusCode.OK:
                reason = record.reason or code.name
                self._errors.add(1, {semconv.METHOD: self._method, "reason": reason})
        if record.span is not None:
            record.span.set_attribute(semconv.STATUS_CODE, code.name)
            if code in semconv.SERVER_ERRORS:
                record.span.set_attribute(semconv.ERROR_TYPE, code.name)
                record.span.set_status(Status(StatusCode.ERROR, record.reason or code.name))
            record.span.end()
        if self._audit_log is not None:
            self._audit_log.info("audit", outcome=code.name, reason=record.reason, **record.ids)

    def note_ids(self, record: CallRecord, request: Any) -> None:
        """Keep the ids that the request names for the audit line."""
        if self._id_fields:
            record.ids = {
                name: plain_id(value)
                for name in self._id_fields
                if (value := str(getattr(request, name)))
            }


def _id_fields(access: Access) -> tuple[str, ...]:
    """Top-level ``*_id`` fields of the request that identify nobody by themselves (C1)."""
    return tuple(
        item.name
        for item in access.request.fields
        if item.name.endswith("_id")
        and item.name != "project_id"
        and not item.is_repeated
        and item.cpp_type == item.CPPTYPE_STRING
        and _class_of(item) == security_pb2.DATA_CLASS_C1
    )


def _class_of(item: FieldDescriptor) -> int:
    data = item.GetOptions().Extensions[security_pb2.data]
    data_class: int = getattr(data, "class")  # a word of Python's, hence not an attribute
    return data_class
