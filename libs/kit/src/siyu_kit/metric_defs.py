"""Every metric of siyu: its name, unit, meaning and labels. Names are never spelled elsewhere.

Labels are bounded: services, methods, states, reasons of a catalogue, and ``project_id``. Never a
person, an identifier, the name of an event or a text that a caller wrote.
"""

from typing import Final, NamedTuple

from opentelemetry.metrics import Counter, Histogram, Meter, UpDownCounter


class CounterDef(NamedTuple):
    """A sum that only grows."""

    name: str
    unit: str
    description: str
    labels: tuple[str, ...] = ()

    def on(self, meter: Meter) -> Counter:
        """The instrument of this definition."""
        return meter.create_counter(self.name, self.unit, self.description)


class GaugeDef(NamedTuple):
    """A sum that goes up and down."""

    name: str
    unit: str
    description: str
    labels: tuple[str, ...] = ()

    def on(self, meter: Meter) -> UpDownCounter:
        """The instrument of this definition."""
        return meter.create_up_down_counter(self.name, self.unit, self.description)


class HistogramDef(NamedTuple):
    """A distribution."""

    name: str
    unit: str
    description: str
    buckets: tuple[float, ...]
    labels: tuple[str, ...] = ()

    def on(self, meter: Meter) -> Histogram:
        """The instrument of this definition."""
        return meter.create_histogram(
            self.name,
            self.unit,
            self.description,
            explicit_bucket_boundaries_advisory=self.buckets,
        )


class StateDef(NamedTuple):
    """A state that is looked at now and then; ``siyu_kit.vitals`` reads and reports it."""

    name: str
    unit: str
    description: str
    labels: tuple[str, ...] = ()
    total: bool = False
    """Whether it is a sum that only grows, counted by somebody else."""


SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
BATCH: Final = (1, 10, 50, 100, 500, 1_000, 5_000, 10_000, 50_000)

# --- calls --------------------------------------------------------------------------------

RPC_SERVER_DURATION = HistogramDef(
    "rpc.server.call.duration",
    "s",
    "Server calls by rpc.method and status code.",
    SECONDS,
    ("rpc.system.name", "rpc.method", "rpc.response.status_code"),
)
RPC_CLIENT_DURATION = HistogramDef(
    "rpc.client.call.duration",
    "s",
    "Client calls by rpc.method and status code.",
    SECONDS,
    ("rpc.system.name", "rpc.method", "rpc.response.status_code"),
)
RPC_SERVER_ACTIVE = GaugeDef(
    "siyu_rpc_active_calls",
    "{call}",
    "Calls being served now.",
    ("rpc.system.name", "rpc.method"),
)
RPC_ERRORS = CounterDef(
    "siyu_rpc_errors_total",
    "{call}",
    "Server calls that ended with an error, by its reason in the catalogue.",
    ("rpc.method", "reason"),
)
ADMISSION_REFUSED = CounterDef(
    "siyu_admission_refused_total",
    "{request}",
    "Requests refused before they began, by reason, limit and priority.",
    ("reason", "limit", "priority"),
)
ADMISSION_WAIT = HistogramDef(
    "siyu_admission_wait_seconds",
    "s",
    "Time a request waited for its slot.",
    SECONDS,
    ("priority",),
)
HTTP_SERVER_DURATION = HistogramDef(
    "http.server.request.duration",
    "s",
    "Requests at the SDKs' door by route and status.",
    SECONDS,
    ("http.request.method", "http.route", "http.response.status_code"),
)
HTTP_SERVER_ACTIVE = GaugeDef(
    "http.server.active_requests", "{request}", "Requests at the SDKs' door being served now."
)
HTTP_CLIENT_DURATION = HistogramDef(
    "http.client.request.duration",
    "s",
    "Calls to a push provider by status, or by what went wrong without one.",
    SECONDS,
    ("http.request.method", "http.response.status_code", "error.type"),
)

# --- the process --------------------------------------------------------------------------

SERVICE_READY = StateDef("siyu_service_ready", "{service}", "1 while the service wants calls.")
WORKERS_DOWN = StateDef(
    "siyu_workers_down", "{worker}", "Workers that failed and are not back yet."
)
WORKER_FAILURES = CounterDef(
    "siyu_worker_failures_total",
    "{failure}",
    "Workers that raised and were restarted.",
    ("worker",),
)
PROCESS_MEMORY = StateDef("process.memory.usage", "By", "Resident memory.")
PROCESS_CPU = StateDef("process.cpu.time", "s", "Processor time used.", total=True)
LOOP_LAG = HistogramDef(
    "siyu_event_loop_lag_seconds",
    "s",
    "How much later than asked the event loop woke a sleeper.",
    SECONDS,
)
SQL_CONNECTIONS = StateDef(
    "siyu_sql_connections_in_use", "{connection}", "Connections in use.", ("pool",)
)
SQL_POOL_LIMIT = StateDef(
    "siyu_sql_connections_limit", "{connection}", "Connections that the pool may open.", ("pool",)
)
LEASE_HELD = StateDef(
    "siyu_lease_held", "{lease}", "1 while this process holds the lease.", ("lease",)
)

# --- streams ------------------------------------------------------------------------------

STREAM_LAG = HistogramDef(
    "siyu_stream_lag_seconds",
    "s",
    "Age of a batch's newest entry when its effect is committed, by reader and topic.",
    SECONDS,
    ("reader", "topic"),
)
STREAM_BATCH = HistogramDef(
    "siyu_stream_batch_messages",
    "{message}",
    "Messages a reader commits at once.",
    BATCH,
    ("reader", "topic"),
)
STREAM_HANDLE = HistogramDef(
    "siyu_stream_handle_seconds",
    "s",
    "Time to process and commit a batch.",
    SECONDS,
    ("reader", "topic"),
)
STREAM_DEAD_LETTERS = CounterDef(
    "siyu_stream_dead_letters_total",
    "{entry}",
    "Entries, and events in them, given up; by reader, topic and reason.",
    ("reader", "topic", "reason"),
)
STREAM_PUT_BACK = CounterDef(
    "siyu_stream_put_back_total",
    "{time}",
    "Times a stream was found at an earlier state than it was read at, by reader and topic.",
    ("reader", "topic"),
)
STREAM_LOST = CounterDef(
    "siyu_stream_lost_events_total",
    "{event}",
    "Events taken in that will not arrive in the event store.",
    ("project_id",),
)
DEAD_LETTERS_OPEN = StateDef(
    "siyu_stream_dead_letters_open",
    "{entry}",
    "Dead letters that nobody has replayed yet.",
    ("reader", "topic"),
)
STREAM_ENTRIES = StateDef(
    "siyu_stream_entries", "{entry}", "Entries that the stream holds.", ("topic", "partition")
)
STREAM_BEHIND = StateDef(
    "siyu_stream_behind_entries",
    "{entry}",
    "Entries that the reader has not committed yet.",
    ("reader", "topic", "partition"),
)
STREAM_WAITING = StateDef(
    "siyu_stream_waiting_seconds",
    "s",
    "Age of the oldest entry that the reader has not committed; 0 without one.",
    ("reader", "topic", "partition"),
)
OUTBOX_UNNUMBERED = StateDef(
    "siyu_outbox_unnumbered_rows", "{row}", "Committed rows that wait for a number.", ("topic",)
)
OUTBOX_UNPUBLISHED = StateDef(
    "siyu_outbox_unpublished_rows", "{row}", "Numbered rows that wait to leave.", ("topic",)
)
OUTBOX_WAITING = StateDef(
    "siyu_outbox_waiting_seconds",
    "s",
    "Age of the oldest row that has not left; 0 without one.",
    ("topic",),
)

# --- the account of events ------------------------------------------------------------------

RECONCILE_RECEIVED = CounterDef(
    "siyu_reconcile_received_total",
    "{event}",
    "Records that reached the doors.",
    ("project_id",),
)
RECONCILE_REFUSED = CounterDef(
    "siyu_reconcile_refused_total", "{event}", "Records the doors refused.", ("project_id",)
)
RECONCILE_STORED = CounterDef(
    "siyu_reconcile_stored_total", "{event}", "Events in the event store.", ("project_id",)
)
RECONCILE_DUPLICATE = CounterDef(
    "siyu_reconcile_duplicate_total",
    "{event}",
    "Events dropped as duplicates.",
    ("project_id",),
)
RECONCILE_PASSED = CounterDef(
    "siyu_reconcile_passed_total",
    "{event}",
    "Events that are none of the event store's: links and profile operations.",
    ("project_id",),
)
RECONCILE_DEAD_LETTERED = CounterDef(
    "siyu_reconcile_dead_lettered_total",
    "{event}",
    "Events that became dead letters of the event store.",
    ("project_id",),
)
RECONCILE_UNACCOUNTED = GaugeDef(
    "siyu_reconcile_unaccounted",
    "{event}",
    "Events that the store knows and no door.",
    ("project_id",),
)
RECONCILE_PENDING = GaugeDef(
    "siyu_reconcile_pending",
    "{event}",
    "Events on their way to the event store.",
    ("project_id",),
)

# --- the door -----------------------------------------------------------------------------

COLLECT_ACCEPTED = CounterDef(
    "siyu_collect_accepted_total", "{event}", "Events made durable, by source.", ("source",)
)
COLLECT_REFUSED = CounterDef(
    "siyu_collect_refused_total",
    "{event}",
    "Records refused at the door, by source and reason.",
    ("source", "reason"),
)
COLLECT_IN_FLIGHT = StateDef(
    "siyu_collect_in_flight_bytes", "By", "Bytes taken in and not yet durable."
)
COLLECT_WAITING = StateDef(
    "siyu_collect_append_waiting_bytes", "By", "Bytes in the queue of appends."
)
COLLECT_LOG_FULL = StateDef(
    "siyu_collect_log_full", "{log}", "1 while the door says later because readers are behind."
)

# --- the event store ----------------------------------------------------------------------

ENGINE_STATEMENTS = StateDef(
    "siyu_engine_statements", "{statement}", "Statements that run or wait.", ("engine",)
)
ENGINE_LIMIT = StateDef(
    "siyu_engine_statements_limit",
    "{statement}",
    "Statements that may run or wait; more are refused.",
    ("engine",),
)

ANSWERS = StateDef(
    "siyu_answers_total",
    "{answer}",
    "Answers of the engine: asked of it, kept from before, or joined while another waited.",
    ("outcome",),
    total=True,
)
ANSWERS_KEPT = StateDef("siyu_answers_kept_bytes", "By", "Answers that are kept.")
ANSWERS_KEPT_LIMIT = StateDef("siyu_answers_kept_limit_bytes", "By", "Answers that may be kept.")

# --- touch --------------------------------------------------------------------------------

TOUCH_SENDS = CounterDef(
    "siyu_touch_sends_total",
    "{send}",
    "Sends that came into a state.",
    ("project_id", "channel", "state"),
)
TOUCH_DECISIONS = CounterDef(
    "siyu_touch_decisions_total",
    "{decision}",
    "Decisions about sends; gate and reason where one did not let it pass.",
    ("project_id", "channel", "outcome", "gate", "reason"),
)
TOUCH_OPEN = StateDef(
    "siyu_touch_open_sends",
    "{send}",
    "Sends of running campaigns that have not ended.",
    ("project_id", "channel", "state"),
)
TOUCH_PUT_OFF = CounterDef(
    "siyu_touch_put_off_total",
    "{event}",
    "Times that a campaign, or one person of it, was put off because something failed.",
    ("project_id", "reason"),
)
TOUCH_OLDEST = StateDef(
    "siyu_touch_oldest_send_seconds",
    "s",
    "Of sends of running campaigns: the longest since one is due, or since one was begun.",
    ("project_id", "channel", "state"),
)
TOUCH_UNKNOWN = StateDef(
    "siyu_touch_unknown_sends",
    "{send}",
    "Sends of which nobody can say whether they arrived.",
    ("project_id", "channel"),
)
