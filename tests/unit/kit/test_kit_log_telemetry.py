"""Logs without secrets, and trace context."""

import io
import json
import logging
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from siyu_kit import telemetry
from siyu_kit.config import CommonConfig, Secret, load
from siyu_kit.log import configure_logging, get_logger

CANARIES = (
    "13912345678",
    "11010119900307123X",
    "li@example.com",
    "eyJhbGciOi.eyJzdWIi.c2ln",
    "hush",
)


@pytest.fixture
def lines():
    output = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    configure_logging(load(CommonConfig, {}), service="test", stream=output)
    yield lambda: [json.loads(line) for line in output.getvalue().splitlines()]
    root.handlers[:] = before
    root.setLevel(level)


def test_own_and_foreign_lines_have_one_form(lines):
    get_logger("own").info("person_merged", person_id="p1")
    get_logger("own").debug("not_written")
    logging.getLogger("foreign").warning("said %s", "something")
    own, foreign = lines()
    assert (own["event"], own["person_id"], own["level"]) == ("person_merged", "p1", "info")
    assert foreign["event"] == "said something"
    assert own.keys() - {"person_id"} == foreign.keys()


def test_no_canary_gets_into_the_log(lines):
    log = get_logger("own")
    log.info(
        "thing_done",
        token="hush",
        access_token="hush",
        value="13912345678",
        mobile="13912345678",
        config=Secret("hush"),
        details={"email": "li@example.com", "count": 1},
    )
    logging.getLogger("foreign").error("bad row %s", " ".join(CANARIES[:4]))
    logging.getLogger("foreign").error("postgresql://user:hush@host/db")
    try:
        int(" ".join(CANARIES[:4]))
    except ValueError:
        log.exception("thing_failed")
    text = json.dumps(lines(), ensure_ascii=False)
    assert len(lines()) == 4
    assert [c for c in CANARIES if c in text] == []
    assert lines()[0]["details"] == {"email": "***", "count": 1}


def test_ids_and_times_are_not_mistaken_for_mobiles(lines):
    logging.getLogger("foreign").warning("at 1732358400000 id 0193579c13800138000f")
    assert lines()[0]["event"] == "at 1732358400000 id 0193579c13800138000f"


def test_lines_within_a_span_carry_its_ids(lines):
    with telemetry.span_from("process events") as scope:
        get_logger("own").info("batch_done")
    (line,) = lines()
    assert line["trace_id"] == f"{scope.trace_id:032x}"
    assert line["method"] == "process events"


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans())
def test_traceparent_is_read_as_written(trace_id, span_id, sampled):
    text = telemetry.format_traceparent(trace_id, span_id, sampled=sampled)
    assert telemetry.parse_traceparent(text) == (trace_id, span_id, sampled)


@given(st.one_of(st.none(), st.text(max_size=80)))
def test_any_other_text_is_no_traceparent(text):
    assert telemetry.parse_traceparent(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "00-" + "0" * 32 + "-" + "1" * 16 + "-01",
        "00-" + "1" * 32 + "-" + "0" * 16 + "-01",
        "ff-" + "1" * 32 + "-" + "1" * 16 + "-01",
        "00-" + "g" * 32 + "-" + "1" * 16 + "-01",
    ],
)
def test_malformed_traceparents_are_ignored(text):
    assert telemetry.parse_traceparent(text) is None


def test_nothing_is_injected_outside_of_a_trace():
    assert telemetry.inject() is None


def test_a_parent_is_continued_without_an_exporter():
    parent = telemetry.format_traceparent(5, 6, sampled=True)
    with telemetry.span_from("send", parent=parent) as scope:
        assert telemetry.inject() == telemetry.format_traceparent(5, scope.span_id, sampled=True)
    assert telemetry.inject() is None


def test_a_batch_links_each_message_and_has_no_parent():
    exporter = InMemorySpanExporter()
    traced = telemetry.configure_telemetry("test", span_exporter=exporter)
    one, two = (telemetry.format_traceparent(n, n, sampled=True) for n in (1, 2))
    try:
        with (
            suppress(ValueError),
            telemetry.span_from("process events", links=[one, None, "bad", two]),
        ):
            with traced.tracer.start_as_current_span("inner"):
                inside = telemetry.inject()
            int("x")
    finally:
        telemetry.configure_telemetry("test")
    inner, batch = exporter.get_finished_spans()
    assert (batch.kind, batch.parent) == (SpanKind.CONSUMER, None)
    assert [link.context.trace_id for link in batch.links] == [1, 2]
    assert batch.status.status_code is StatusCode.ERROR
    assert inner.parent.span_id == batch.context.span_id
    assert inside.split("-")[2] == f"{inner.context.span_id:016x}"


class _Stuck(SpanExporter):
    def export(self, spans):
        return SpanExportResult.SUCCESS

    def shutdown(self):
        time.sleep(5)


def test_the_end_does_not_wait_for_an_exporter_that_hangs():
    traced = telemetry.configure_telemetry("test", span_exporter=_Stuck())
    try:
        started = time.monotonic()
        assert traced.shutdown(0.1) is False
        assert time.monotonic() - started < 1
        assert telemetry.DISABLED.shutdown(1)
    finally:
        telemetry.configure_telemetry("test")
