"""Every metric of siyu: its name, unit and meaning. Names are never spelled elsewhere."""

from typing import Final, NamedTuple

from opentelemetry.metrics import Counter, Histogram, Meter, UpDownCounter


class CounterDef(NamedTuple):
    """A sum that only grows."""

    name: str
    unit: str
    description: str

    def on(self, meter: Meter) -> Counter:
        """The instrument of this definition."""
        return meter.create_counter(self.name, self.unit, self.description)


class GaugeDef(NamedTuple):
    """A sum that goes up and down."""

    name: str
    unit: str
    description: str

    def on(self, meter: Meter) -> UpDownCounter:
        """The instrument of this definition."""
        return meter.create_up_down_counter(self.name, self.unit, self.description)


class HistogramDef(NamedTuple):
    """A distribution."""

    name: str
    unit: str
    description: str
    buckets: tuple[float, ...]

    def on(self, meter: Meter) -> Histogram:
        """The instrument of this definition."""
        return meter.create_histogram(
            self.name,
            self.unit,
            self.description,
            explicit_bucket_boundaries_advisory=self.buckets,
        )


SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
BATCH: Final = (1, 10, 50, 100, 500, 1_000, 5_000, 10_000, 50_000)

RPC_SERVER_DURATION = HistogramDef(
    "rpc.server.call.duration", "s", "Server calls by rpc.method and status code.", SECONDS
)
RPC_CLIENT_DURATION = HistogramDef(
    "rpc.client.call.duration", "s", "Client calls by rpc.method and status code.", SECONDS
)
RPC_SERVER_ACTIVE = GaugeDef("siyu_rpc_active_calls", "{call}", "Calls being served now.")
WORKER_FAILURES = CounterDef(
    "siyu_worker_failures_total", "{failure}", "Workers that raised and were restarted."
)
STREAM_LAG = HistogramDef(
    "siyu_stream_lag_seconds",
    "s",
    "Age of a batch's newest entry when its effect is committed, by reader and topic.",
    SECONDS,
)
STREAM_BATCH = HistogramDef(
    "siyu_stream_batch_messages", "{message}", "Messages a reader commits at once.", BATCH
)
STREAM_HANDLE = HistogramDef(
    "siyu_stream_handle_seconds", "s", "Time to process and commit a batch.", SECONDS
)
STREAM_DEAD_LETTERS = CounterDef(
    "siyu_stream_dead_letters_total", "{entry}", "Entries given up, by reader, topic and reason."
)
COLLECT_ACCEPTED = CounterDef(
    "siyu_collect_accepted_total", "{event}", "Events made durable, by source."
)
COLLECT_REFUSED = CounterDef(
    "siyu_collect_refused_total", "{event}", "Records refused at the door, by source and reason."
)
