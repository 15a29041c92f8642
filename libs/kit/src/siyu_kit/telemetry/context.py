"""W3C trace context as text and as numbers.

``tracestate`` is not passed on: whatever a caller puts there would travel through every store.
"""

import random
from typing import Final

from opentelemetry.trace import SpanContext, TraceFlags

TRACEPARENT: Final = "traceparent"
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_NOT_SAMPLED: Final = TraceFlags(TraceFlags.DEFAULT)

TraceIds = tuple[int, int, bool]
"""Trace id, span id, sampled."""


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


def remote_context(ids: TraceIds) -> SpanContext:
    """The span context of a caller, as a parent or a link."""
    return SpanContext(
        ids[0], ids[1], is_remote=True, trace_flags=_SAMPLED if ids[2] else _NOT_SAMPLED
    )
