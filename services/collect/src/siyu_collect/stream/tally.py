"""Counts of what came in, as metrics."""

from opentelemetry.metrics import Meter

from siyu_kit.metric_defs import COLLECT_ACCEPTED, COLLECT_REFUSED


class MetricTally:
    """The tally on OpenTelemetry instruments."""

    def __init__(self, meter: Meter) -> None:
        self._accepted = COLLECT_ACCEPTED.on(meter)
        self._refused = COLLECT_REFUSED.on(meter)

    def accepted(self, source: str, count: int) -> None:
        self._accepted.add(count, {"source": source})

    def refused(self, source: str, reason: str, count: int = 1) -> None:
        self._refused.add(count, {"source": source, "reason": reason})
