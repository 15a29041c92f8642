"""Sampling, links, the export of logs, tracebacks and states."""

import asyncio
import io
import json
import logging

import pytest
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from siyu_kit import metric_defs, telemetry
from siyu_kit.config import CommonConfig, ConfigError, load
from siyu_kit.log import configure_logging, get_logger
from siyu_kit.log_export import export_logs
from siyu_kit.tracebacks import safe_traceback, without_values
from siyu_kit.vitals import Reading, Vitals


@pytest.fixture
def traced():
    exporter = InMemorySpanExporter()

    def start(ratio=1.0):
        telemetry.configure_telemetry("test", span_exporter=exporter, trace_ratio=ratio)
        return exporter

    yield start
    telemetry.configure_telemetry("test")


def parents(count, *, sampled=True):
    return [telemetry.format_traceparent(n, n, sampled=sampled) for n in range(1, count + 1)]


def linked(spans):
    return {link.context.trace_id for span in spans for link in span.links}


def test_a_root_follows_its_causes_and_else_the_ratio(traced):
    exporter = traced(ratio=0.0)
    with telemetry.span_from("alone"):
        assert telemetry.inject().endswith("-00")
    with telemetry.span_from("unrecorded cause", links=parents(1, sampled=False)):
        pass
    with telemetry.span_from("recorded cause", links=parents(1)):
        assert telemetry.inject().endswith("-01")
    with telemetry.span_from("recorded parent", parent=parents(1)[0]):
        pass
    names = [span.name for span in exporter.get_finished_spans()]
    assert names == ["recorded cause", "recorded parent"]


def test_no_link_is_lost_however_many_there_are(traced):
    exporter = traced()
    with telemetry.span_from("process events", links=[*parents(300), *parents(300)]) as scope:
        pass
    spans = exporter.get_finished_spans()
    assert linked(spans) == set(range(1, 301))
    assert all(len(span.links) <= 128 for span in spans)
    carriers = [span for span in spans if span.name == "links"]
    assert len(carriers) == 2
    assert {span.parent.span_id for span in carriers} == {scope.span_id}


def test_a_running_span_can_be_linked(traced):
    exporter = traced()
    with telemetry.span_from("call", kind=SpanKind.SERVER):
        telemetry.link_current([*parents(200), None, "bad"])
    assert linked(exporter.get_finished_spans()) == set(range(1, 201))


def test_a_child_is_below_and_fails_by_type(traced):
    exporter = traced()
    with (
        telemetry.span_from("outer") as outer,
        pytest.raises(ValueError, match="章"),
        telemetry.child_span("inner"),
    ):
        raise ValueError("章")
    inner = exporter.get_finished_spans()[0]
    assert inner.parent.span_id == outer.span_id
    assert (inner.status.description, len(inner.events)) == ("ValueError", 0)


def test_untraced_a_child_changes_nothing():
    telemetry.configure_telemetry("test")
    with telemetry.span_from("outer"):
        before = telemetry.inject()
        with telemetry.child_span("inner"):
            assert telemetry.inject() == before
        telemetry.link_current(parents(1))


@pytest.fixture
def exported():
    exporter = InMemoryLogRecordExporter()
    configured = telemetry.configure_telemetry("test", log_exporter=exporter)
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    console = io.StringIO()
    configure_logging(load(CommonConfig, {}), service="test", stream=console)
    end = export_logs(configured.logger_provider)

    def lines():
        records = [one.log_record for one in exporter.get_finished_logs()]
        return records, [json.loads(line) for line in console.getvalue().splitlines()]

    yield lines
    end()
    root.handlers[:] = before
    root.setLevel(level)
    telemetry.configure_telemetry("test")


def test_what_leaves_is_what_the_console_shows(exported):
    with telemetry.span_from("process events") as scope:
        get_logger("own").warning("batch_done", entries=3, token="hush", note="call 13912345678")
        logging.getLogger("foreign").error("bad row %s of %d", "'章三'", 7)
    records, lines = exported()
    for record, line in zip(records, lines, strict=True):
        assert record.body == line["event"]
        assert record.severity_text == line["level"].upper()
        assert (record.trace_id, record.span_id) == (scope.trace_id, scope.span_id)
        assert f"{record.trace_id:032x}" == line["trace_id"]
    assert dict(records[0].attributes) == {
        "entries": 3,
        "token": "***",
        "note": "call ***",
        "logger.name": "own",
        "method": "process events",
    }
    assert records[1].body == "bad row '***' of 7"


def test_an_exporters_own_trouble_is_not_exported(exported):
    logging.getLogger("opentelemetry.exporter").error("cannot reach the collector")
    logging.getLogger("own").debug("below the level")
    records, lines = exported()
    assert (len(records), len(lines)) == (0, 1)


def test_a_traceback_keeps_frames_and_loses_values():
    def fails():
        try:
            return {}["章三"]
        except KeyError as error:
            raise ValueError("Key (name)=(Li Si, 章三) of row b'13912345678' is bad") from error

    try:
        fails()
    except ValueError as error:
        text = safe_traceback((type(error), error, error.__traceback__))
    assert "in fails" in text
    assert "KeyError: '***'" in text
    assert text.endswith("ValueError: Key (name)=(***) of row '***' is bad")
    assert "The above exception was the direct cause" in text


def test_what_the_system_says_is_kept():
    try:
        open("/nowhere/章")  # noqa: PTH123, SIM115 - it fails
    except OSError as error:
        text = safe_traceback((type(error), error, error.__traceback__))
    assert "/nowhere/章" in text.splitlines()[-1]


def test_words_without_quotes_are_kept():
    assert without_values("no such table: segment") == "no such table: segment"


def read(reader):
    data = reader.get_metrics_data()
    return {
        metric.name: {
            tuple(sorted(point.attributes.items())): getattr(point, "value", None)
            for point in metric.data.data_points
        }
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


async def test_states_are_reported_until_their_probe_fails():
    reader = InMemoryMetricReader()
    configured = telemetry.configure_telemetry("test", metric_reader=reader)
    state, answers = metric_defs.STREAM_ENTRIES, [3, 4, None]

    async def probe():
        answer = answers.pop(0)
        if answer is None:
            raise ConnectionError
        return [Reading(state, answer, {"topic": "events", "partition": "0"})]

    vitals = Vitals(configured.meter, {"stream": probe}, every_s=60)
    try:
        key = (("partition", "0"), ("topic", "events"))
        for expected in ({key: 3}, {key: 4}, None):
            await vitals.look()
            found = read(reader)
            assert (found.get(state.name) or None) == expected
            assert found["process.memory.usage"][()] > 1e6
            assert found["process.cpu.time"][()] > 0
    finally:
        telemetry.configure_telemetry("test")


async def test_the_loop_is_watched():
    reader = InMemoryMetricReader()
    configured = telemetry.configure_telemetry("test", metric_reader=reader)
    running = asyncio.create_task(Vitals(configured.meter, {}, every_s=60).run())
    try:
        await asyncio.sleep(0.6)
        assert "siyu_event_loop_lag_seconds" in read(reader)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        telemetry.configure_telemetry("test")


@pytest.mark.parametrize(
    "settings", [{"SIYU_TRACE_RATIO": "1.5"}, {"SIYU_METRICS_INTERVAL_S": "0"}]
)
def test_settings_are_checked(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        load(CommonConfig, settings)
