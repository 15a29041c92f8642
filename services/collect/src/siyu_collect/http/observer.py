"""What is recorded about requests: a span, their number and their time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiohttp import web
from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from siyu_kit import semconv
from siyu_kit.metric_defs import HTTP_SERVER_ACTIVE, HTTP_SERVER_DURATION
from siyu_kit.scope import Scope
from siyu_kit.telemetry import TRACEPARENT, Telemetry, span_from

_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


class Observed:
    """One request while it is served; ``status`` stays 499 when the caller went away."""

    __slots__ = ("scope", "status")

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.status = 499


class RequestObserver:
    """Without an exporter it only hands out ids. Nothing that a caller wrote is recorded."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._measuring = telemetry.measuring
        self._duration = HTTP_SERVER_DURATION.on(telemetry.meter)
        self._active = HTTP_SERVER_ACTIVE.on(telemetry.meter)

    @contextmanager
    def observed(self, request: web.Request) -> Iterator[Observed]:
        """The span of a request, below the caller's own when it sent a ``traceparent``."""
        method = request.method if request.method in _METHODS else semconv.OTHER_METHOD
        resource = request.match_info.route.resource
        # A path that is no route's is a text of the caller: it may say anything.
        route = resource.canonical if resource else ""
        with span_from(
            f"{method} {route}".rstrip(),
            parent=request.headers.get(TRACEPARENT),
            kind=SpanKind.SERVER,
            attributes={semconv.HTTP_METHOD: method, semconv.HTTP_ROUTE: route},
        ) as scope:
            started = time.monotonic()
            self._active.add(1)
            observed = Observed(scope)
            try:
                yield observed
            finally:
                self._active.add(-1)
                if self._measuring:
                    attributes: dict[str, str | int] = {
                        semconv.HTTP_METHOD: method,
                        semconv.HTTP_ROUTE: route,
                        semconv.HTTP_STATUS: observed.status,
                    }
                    self._duration.record(time.monotonic() - started, attributes)
                _tell(trace.get_current_span(), observed.status)


def _tell(span: trace.Span, status: int) -> None:
    span.set_attribute(semconv.HTTP_STATUS, status)
    if status >= 500:
        span.set_status(Status(StatusCode.ERROR, str(status)))
