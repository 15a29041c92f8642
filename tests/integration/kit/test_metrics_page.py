"""The page for Prometheus has the names that the dashboard and the alerts ask for."""

import re
import urllib.request

import pytest

from siyu_kit import metric_defs, telemetry
from siyu_kit.telemetry.page import metrics_page
from support.prometheus import series_of

pytestmark = pytest.mark.integration


def test_series_have_the_names_that_otlp_gives_them():
    page = metrics_page("127.0.0.1:0")
    measured = telemetry.configure_telemetry("test", metric_reader=page)
    try:
        counter, histogram = metric_defs.STREAM_DEAD_LETTERS, metric_defs.RPC_CLIENT_DURATION
        counter.on(measured.meter).add(3, {"topic": "events"})
        histogram.on(measured.meter).record(0.2)
        with urllib.request.urlopen(f"http://127.0.0.1:{page.port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    finally:
        assert measured.shutdown()
    names = set(re.findall(r"^([a-z]\w*)(?:\{| )", text, re.MULTILINE))
    assert series_of(counter) | series_of(histogram) <= names
    assert re.search(r'_total\{topic="events"\} 3\.0', text)
    assert 'service_name="siyu-test"' in text


def test_the_address_is_free_again_after_the_end():
    page = metrics_page("127.0.0.1:0")
    listen = f"127.0.0.1:{page.port}"
    page.shutdown()
    again = metrics_page(listen)
    again.shutdown()


def test_without_an_address_there_is_no_page():
    assert metrics_page(None) is None
    assert metrics_page("") is None
