"""Writes docs/observability/dashboard.json, for import into Grafana: dashboard.py OUT."""

import json
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

WIDTH: Final = 24
HEIGHT: Final = 8
COLUMNS: Final = 3
JOB: Final = 'job=~"$job"'
PROJECT: Final = 'project_id=~"$project"'
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


class Panel(NamedTuple):
    """A graph: title, unit of Grafana, and queries with their legends."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]


def rate(series: str, *by: str, where: str = JOB) -> str:
    """How fast a counter grows, summed by labels."""
    return f"sum by ({', '.join(by)}) (rate({series}{{{where}}}[$__rate_interval]))"


def quantile(share: float, series: str, *by: str, where: str = JOB) -> str:
    """A quantile of a histogram, by labels."""
    return f"histogram_quantile({share}, {rate(f'{series}_bucket', *by, 'le', where=where)})"


def top(series: str, *by: str, where: str = JOB) -> str:
    """The largest of a state, by labels: replicas see the same store."""
    return f"max by ({', '.join(by)}) ({series}{{{where}}})"


FAILED: Final = (
    f'{JOB}, rpc_response_status_code=~"UNKNOWN|DEADLINE_EXCEEDED|INTERNAL|UNAVAILABLE|DATA_LOSS"'
)
ROWS: Final[tuple[tuple[str, tuple[Panel, ...]], ...]] = (
    ("Calls", (
        Panel("Calls a second", "reqps", (
            (rate("rpc_server_call_duration_seconds_count", "job"), "{{job}}"),)),
        Panel("Share of calls that fail", "percentunit", (
            ((f"{rate('rpc_server_call_duration_seconds_count', 'job', where=FAILED)}"
              f" / {rate('rpc_server_call_duration_seconds_count', 'job')}"), "{{job}}"),)),
        Panel("Duration, 99 of 100", "s", (
            (quantile(0.99, "rpc_server_call_duration_seconds", "job"), "{{job}}"),)),
        Panel("Errors by reason", "reqps", (
            (rate("siyu_rpc_errors_total", "job", "reason"), "{{job}} {{reason}}"),)),
        Panel("Calls to peers, 99 of 100", "s", (
            (quantile(0.99, "rpc_client_call_duration_seconds", "job", "rpc_method"),
             "{{job}} {{rpc_method}}"),)),
        Panel("Calls being served", "short", (
            (f"sum by (job) (siyu_rpc_active_calls{{{JOB}}})", "{{job}}"),)),
    )),
    ("The door", (
        Panel("Requests by status", "reqps", (
            (rate("http_server_request_duration_seconds_count", "http_route",
                  "http_response_status_code"), "{{http_route}} {{http_response_status_code}}"),)),
        Panel("Duration of requests, 99 of 100", "s", (
            (quantile(0.99, "http_server_request_duration_seconds", "http_route"),
             "{{http_route}}"),)),
        Panel("Requests being served", "short", (
            (f"sum(http_server_active_requests{{{JOB}}})", "requests"),)),
        Panel("Events a second", "short", (
            (rate("siyu_collect_accepted_total", "source"), "taken {{source}}"),
            (rate("siyu_collect_refused_total", "source", "reason"),
             "refused {{source}} {{reason}}"))),
        Panel("Bytes under way", "bytes", (
            (top("siyu_collect_in_flight_bytes", "instance"), "in flight {{instance}}"),
            (top("siyu_collect_append_waiting_bytes", "instance"), "appending {{instance}}"))),
        Panel("The log is full", "short", ((top("siyu_collect_log_full", "instance"), "{{instance}}"),)),
    )),
    ("Streams", (
        Panel("Age of the oldest event not committed", "s", (
            (top("siyu_stream_waiting_seconds", "reader", "topic", "partition"),
             "{{reader}} {{topic}} {{partition}}"),)),
        Panel("Entries not committed", "short", (
            (top("siyu_stream_behind_entries", "reader", "topic", "partition"),
             "{{reader}} {{topic}} {{partition}}"),)),
        Panel("Age at commit, 95 of 100", "s", (
            (quantile(0.95, "siyu_stream_lag_seconds", "reader", "topic"), "{{reader}} {{topic}}"),)),
        Panel("Messages a second", "short", (
            (rate("siyu_stream_batch_messages_sum", "reader", "topic"), "{{reader}} {{topic}}"),)),
        Panel("Time for a batch, 95 of 100", "s", (
            (quantile(0.95, "siyu_stream_handle_seconds", "reader", "topic"),
             "{{reader}} {{topic}}"),)),
        Panel("Entries held", "short", (
            (top("siyu_stream_entries", "topic", "partition"), "{{topic}} {{partition}}"),)),
        Panel("Dead letters", "short", (
            (top("siyu_stream_dead_letters_open", "reader", "topic"), "open {{reader}} {{topic}}"),
            (f"sum by (reader, reason) (increase(siyu_stream_dead_letters_total{{{JOB}}}[1h]))",
             "last hour {{reader}} {{reason}}"))),
        Panel("Outbox rows", "short", (
            (top("siyu_outbox_unnumbered_rows", "topic"), "without number {{topic}}"),
            (top("siyu_outbox_unpublished_rows", "topic"), "to leave {{topic}}"))),
        Panel("Age of the oldest outbox row", "s", (
            (top("siyu_outbox_waiting_seconds", "topic"), "{{topic}}"),)),
    )),
    ("Nothing lost, nothing doubled", (
        Panel("Received, and what became of it, in an hour", "short", tuple(
            (f"sum by (project_id) (increase(siyu_reconcile_{what}_total{{{PROJECT}}}[1h]))",
             f"{what} {{{{project_id}}}}")
            for what in ("received", "stored", "duplicate", "passed", "refused", "dead_lettered"))),
        Panel("Not accounted for yet", "short", (
            (f"sum by (project_id) (siyu_reconcile_pending{{{PROJECT}}})", "on its way {{project_id}}"),
            (f"sum by (project_id) (siyu_reconcile_unaccounted{{{PROJECT}}})",
             "no door counted {{project_id}}"))),
        Panel("Lost", "short", (
            (f"sum by (project_id) (siyu_stream_lost_events_total{{{PROJECT}}})",
             "{{project_id}}"),)),
    )),
    ("Touch", (
        Panel("Sends by state, a second", "short", (
            (rate("siyu_touch_sends_total", "channel", "state", where=PROJECT),
             "{{channel}} {{state}}"),)),
        Panel("Held by gates, a second", "short", (
            (rate("siyu_touch_decisions_total", "gate", "reason", where=f'{PROJECT}, gate!=""'),
             "{{gate}} {{reason}}"),)),
        Panel("Sends that have not ended", "short", (
            (top("siyu_touch_open_sends", "project_id", "channel", "state", where=PROJECT),
             "{{project_id}} {{channel}} {{state}}"),
            (top("siyu_touch_unknown_sends", "project_id", "channel", where=PROJECT),
             "{{project_id}} {{channel}} unknown"))),
        Panel("Oldest send that waits or was begun", "s", (
            (top("siyu_touch_oldest_send_seconds", "project_id", "channel", "state", where=PROJECT),
             "{{project_id}} {{channel}} {{state}}"),)),
        Panel("Campaigns put off, a second", "short", (
            (rate("siyu_touch_put_off_total", "project_id", "reason", where=PROJECT),
             "{{project_id}} {{reason}}"),)),
        Panel("Calls to the push provider", "reqps", (
            (rate("http_client_request_duration_seconds_count", "http_response_status_code",
                  "error_type"), "{{http_response_status_code}} {{error_type}}"),)),
        Panel("Duration of pushes, 99 of 100", "s", (
            (quantile(0.99, "http_client_request_duration_seconds", "http_request_method"),
             "{{http_request_method}}"),)),
    )),
    ("Processes", (
        Panel("Ready", "short", ((top("siyu_service_ready", "job", "instance"), "{{instance}}"),)),
        Panel("Workers", "short", (
            (top("siyu_workers_down", "job"), "down {{job}}"),
            (f"sum by (job, worker) (increase(siyu_worker_failures_total{{{JOB}}}[1h]))",
             "failures {{job}} {{worker}}"))),
        Panel("Leases", "short", ((top("siyu_lease_held", "job", "lease"), "{{job}} {{lease}}"),)),
        Panel("Memory", "bytes", ((top("process_memory_usage_bytes", "instance"), "{{instance}}"),)),
        Panel("Processors", "short", (
            (rate("process_cpu_time_seconds_total", "instance"), "{{instance}}"),)),
        Panel("Lateness of the event loop, 99 of 100", "s", (
            (quantile(0.99, "siyu_event_loop_lag_seconds", "instance"), "{{instance}}"),)),
        Panel("Database connections", "short", (
            (top("siyu_sql_connections_in_use", "job", "pool"), "{{job}} {{pool}}"),
            (top("siyu_sql_connections_limit", "job", "pool"), "bound {{job}} {{pool}}"))),
        Panel("Engine statements", "short", (
            (top("siyu_engine_statements", "engine"), "{{engine}}"),
            (top("siyu_engine_statements_limit", "engine"), "bound {{engine}}"))),
        Panel("Answers kept", "bytes", (
            (top("siyu_answers_kept_bytes", "job"), "kept {{job}}"),
            (top("siyu_answers_kept_limit_bytes", "job"), "bound {{job}}"))),
        Panel("Answers by where they came from", "short", (
            (rate("siyu_answers_total", "outcome"), "{{outcome}}"),)),
    )),
)  # fmt: skip


def written() -> str:
    """The dashboard."""
    return json.dumps(dashboard(), indent=1) + "\n"


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana's model."""
    return {
        "title": "siyu",
        "uid": "siyu-overview",
        "tags": ["siyu"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": _variables()},
        "annotations": {"list": []},
        "panels": _panels(),
    }


def _variables() -> list[dict[str, Any]]:
    def values_of(name: str, label: str, query: str) -> dict[str, Any]:
        return {
            "name": name,
            "label": label,
            "type": "query",
            "datasource": SOURCE,
            "definition": query,
            "query": {"query": query, "refId": name},
            "refresh": 2,
            "includeAll": True,
            "allValue": ".*",
            "multi": True,
            "current": {"text": ["All"], "value": ["$__all"]},
        }

    return [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
        values_of("job", "Service", "label_values(siyu_service_ready, job)"),
        values_of("project", "Project", "label_values(siyu_touch_sends_total, project_id)"),
    ]


def _panels() -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = []
    top_of = 0
    for title, row in ROWS:
        place = {"h": 1, "w": WIDTH, "x": 0, "y": top_of}
        panels.append({"id": len(panels) + 1, "type": "row", "title": title, "gridPos": place})
        top_of += 1
        for number, panel in enumerate(row):
            down, across = divmod(number, COLUMNS)
            width = WIDTH // COLUMNS
            place = {"h": HEIGHT, "w": width, "x": across * width, "y": top_of + down * HEIGHT}
            panels.append({"id": len(panels) + 1, "gridPos": place, **_graph(panel)})
        top_of += -(-len(row) // COLUMNS) * HEIGHT
    return panels


def _graph(panel: Panel) -> dict[str, Any]:
    return {
        "type": "timeseries",
        "title": panel.title,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}},
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": SOURCE,
                "expr": expr,
                "legendFormat": legend,
                "exemplar": True,
            }
            for number, (expr, legend) in enumerate(panel.queries)
        ],
    }


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(written(), encoding="utf-8")
