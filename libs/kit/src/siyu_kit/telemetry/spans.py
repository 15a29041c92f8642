"""Spans around work that no call surrounds, their links, and the context that travels with them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanKind, Status, StatusCode

from siyu_kit.scope import Scope, current_scope, enter_scope, leave_scope
from siyu_kit.telemetry.context import (
    TraceIds,
    format_traceparent,
    new_span_id,
    new_trace_id,
    parse_traceparent,
    remote_context,
)
from siyu_kit.telemetry.providers import active

LINKS_A_SPAN: Final = 128
"""The SDK forgets the oldest beyond this; more go to ``links`` spans below the span."""
LINKS_SPAN: Final = "links"

Attributes = Mapping[str, str | int]


def current_trace() -> TraceIds | None:
    """Ids of the innermost span (recorded or not) around the running code."""
    if active().tracing:
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            return context.trace_id, context.span_id, context.trace_flags.sampled
    scope = current_scope()
    return None if scope is None else (scope.trace_id, scope.span_id, scope.sampled)


def inject() -> str | None:
    """``traceparent`` to send along with a call or a stream entry; None outside of any trace."""
    ids = current_trace()
    return None if ids is None else format_traceparent(ids[0], ids[1], sampled=ids[2])


@contextmanager
def span_from(
    name: str = "process",
    *,
    links: Iterable[str | None] = (),
    parent: str | None = None,
    kind: SpanKind = SpanKind.CONSUMER,
    attributes: Attributes | None = None,
) -> Iterator[Scope]:
    """A span around a piece of work that no call surrounds, such as one batch of a stream.

    ``links`` are the traceparents of the batch's messages (missing or malformed ones are left
    out); ``parent`` continues one trace instead, for work that one message alone caused. An
    exception marks the span as failed. Not for use across a ``yield``.
    """
    parent_ids = parse_traceparent(parent)
    if not active().tracing:
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
    causes = _links(links)
    span = active().tracer.start_span(
        name, context=context, kind=kind, attributes=attributes, links=causes[:LINKS_A_SPAN]
    )
    _spread(span, causes[LINKS_A_SPAN:])
    ids = span.get_span_context()
    scope = Scope(name, ids.trace_id, ids.span_id, sampled=ids.trace_flags.sampled)
    token = enter_scope(scope)
    try:
        with _current(span):
            yield scope
    finally:
        leave_scope(token)
        span.end()


@contextmanager
def child_span(
    name: str, kind: SpanKind = SpanKind.INTERNAL, attributes: Attributes | None = None
) -> Iterator[Span]:
    """A span below the running one, around a step worth its own times; costs nothing untraced."""
    if not active().tracing:
        yield trace.INVALID_SPAN
        return
    span = active().tracer.start_span(name, kind=kind, attributes=attributes)
    try:
        with _current(span):
            yield span
    finally:
        span.end()


def link_current(traces: Iterable[str | None]) -> None:
    """Say that the running span rests on the work of these traceparents."""
    if not active().tracing:
        return
    span = trace.get_current_span()
    if not span.is_recording():
        return
    causes = _links(traces)
    for cause in causes[:LINKS_A_SPAN]:
        span.add_link(cause.context)
    _spread(span, causes[LINKS_A_SPAN:])


@contextmanager
def _current(span: Span) -> Iterator[None]:
    """Current inside the block; an exception marks it by its type, for its text may tell much."""
    try:
        with trace.use_span(span, record_exception=False, set_status_on_exception=False):
            yield
    except Exception as error:
        span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        raise


def _links(traces: Iterable[str | None]) -> list[Link]:
    """One link for each span that is recorded somewhere; others lead nowhere."""
    seen = {ids for text in dict.fromkeys(traces) if (ids := parse_traceparent(text)) and ids[2]}
    return [Link(remote_context(ids)) for ids in sorted(seen)]


def _spread(span: Span, causes: Sequence[Link]) -> None:
    """Links that one span cannot hold, on children that hold nothing else."""
    if not causes or not span.is_recording():
        return
    below: Context = trace.set_span_in_context(span)
    for start in range(0, len(causes), LINKS_A_SPAN):
        part = causes[start : start + LINKS_A_SPAN]
        active().tracer.start_span(LINKS_SPAN, context=below, links=part).end()
