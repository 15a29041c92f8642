"""Dashboard and alerts speak of metrics that exist, and every alert has its page."""

import importlib.util
import json
import re

import pytest

from support.prometheus import definitions, grouped_by, labels_of, series_of, used
from support.tree import ROOT

FOLDER = ROOT / "docs/observability"
RUNBOOK = ROOT / "docs/runbook"
BY_SERIES = {series: metric for metric in definitions() for series in series_of(metric)}


def script(name):
    found = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def rules():
    """Alerts of the file as it is, one mapping each."""
    text = (FOLDER / "alerts.yaml").read_text(encoding="utf-8")
    for block in text.split("      - alert: ")[1:]:
        name, *lines = block.splitlines()
        fields = dict(line.strip().split(": ", 1) for line in lines if ": " in line)
        yield {**fields, "alert": name, "expr": json.loads(fields["expr"])}


def expressions():
    dashboard = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for rule in rules():
        yield rule["alert"], rule["expr"]


@pytest.mark.parametrize(
    ("name", "file"), [("alerts", "alerts.yaml"), ("dashboard", "dashboard.json")]
)
def test_what_is_committed_is_what_the_script_writes(name, file):
    assert (FOLDER / file).read_text(encoding="utf-8") == script(name).written()


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_every_series_exists_and_has_the_labels_asked_for(where, expression):
    asked = used(expression)
    assert asked, where
    possible = set()
    for series, labels in asked.items():
        assert series in BY_SERIES, f"{where}: {series}"
        possible |= labels_of(BY_SERIES[series])
        assert labels <= labels_of(BY_SERIES[series]), f"{where}: {series}{labels}"
    assert grouped_by(expression) <= possible, where


def test_alerts_name_only_labels_that_they_keep():
    for rule in rules():
        told = set(re.findall(r"\$labels\.(\w+)", rule["summary"]))
        assert told <= grouped_by(rule["expr"]) | {"job", "instance"}, rule["alert"]


def test_every_alert_has_its_page_and_every_page_its_alert():
    pages = {rule["runbook_url"] for rule in rules()}
    there = {str(path.relative_to(ROOT)) for path in RUNBOOK.glob("*.md")}
    assert pages == there - {"docs/runbook/README.md"}


def test_a_page_says_what_to_do():
    for rule in rules():
        text = (ROOT / rule["runbook_url"]).read_text(encoding="utf-8")
        assert text.startswith(f"# {rule['alert']}\n"), rule["alert"]
        for part in ("## What it means", "## Look at", "## Do", "## Over when"):
            assert part in text, f"{rule['alert']}: {part}"


def test_the_dashboard_can_be_imported():
    dashboard = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    assert dashboard["schemaVersion"] >= 36
    variables = {one["name"]: one["type"] for one in dashboard["templating"]["list"]}
    assert variables["datasource"] == "datasource"
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            continue
        assert panel["datasource"]["uid"] == "${datasource}"
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24


def test_a_metric_has_one_definition():
    names = [metric.name for metric in definitions()]
    assert len(set(names)) == len(names)
    assert len(BY_SERIES) == sum(len(series_of(metric)) for metric in definitions())


@pytest.mark.parametrize(
    ("name", "series"),
    [
        ("rpc.server.call.duration", "rpc_server_call_duration_seconds_bucket"),
        ("process.cpu.time", "process_cpu_time_seconds_total"),
        ("process.memory.usage", "process_memory_usage_bytes"),
        ("siyu_stream_lag_seconds", "siyu_stream_lag_seconds_count"),
        ("siyu_collect_accepted_total", "siyu_collect_accepted_total"),
        ("http.server.active_requests", "http_server_active_requests"),
    ],
)
def test_names_are_translated_as_prometheus_does(name, series):
    (metric,) = [one for one in definitions() if one.name == name]
    assert series in series_of(metric)
