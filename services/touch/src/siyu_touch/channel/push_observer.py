"""What is recorded about a call to a push provider; never the message or whom it is for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.metrics import Meter
from opentelemetry.trace import SpanKind, Status, StatusCode

from siyu_kit import semconv
from siyu_kit.metric_defs import HTTP_CLIENT_DURATION
from siyu_kit.telemetry import child_span, inject
from siyu_touch.domain.delivery import Answer, Delivery

_METHOD: Final = {semconv.HTTP_METHOD: "POST"}
_STATUS: Final = "PROVIDER_HTTP_"


@contextmanager
def attempt() -> Iterator[str | None]:
    """The span of one attempt; gives the traceparent that the provider is told."""
    with child_span("push", SpanKind.CLIENT, _METHOD):
        yield inject()


class PushObserver:
    """Durations by outcome, and the outcome on the attempt's span."""

    def __init__(self, meter: Meter) -> None:
        self._duration = HTTP_CLIENT_DURATION.on(meter)

    def ended(self, delivery: Delivery, seconds: float) -> None:
        """The provider answered, or did not."""
        outcome = _outcome(delivery)
        self._duration.record(seconds, {**_METHOD, **outcome})
        span = trace.get_current_span()
        span.set_attributes(outcome)
        if delivery.answer is not Answer.ACCEPTED:
            span.set_status(Status(StatusCode.ERROR, delivery.reason))


def _outcome(delivery: Delivery) -> dict[str, str | int]:
    """The status where there was one; the reasons are this channel's own words."""
    if delivery.answer is Answer.ACCEPTED:
        return {semconv.HTTP_STATUS: 200}
    status = delivery.reason.removeprefix(_STATUS)
    if status != delivery.reason:
        return {semconv.HTTP_STATUS: int(status), semconv.ERROR_TYPE: status}
    return {semconv.ERROR_TYPE: delivery.reason}
