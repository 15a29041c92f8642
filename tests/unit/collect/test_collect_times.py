from datetime import UTC, datetime

import pytest

from siyu_collect.domain import segment, sensors, times
from siyu_kit.errors import InvalidInput

NOW = 1_790_000_000_000
HOUR = 3_600_000


def ms(text):
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def digest(_):
    return "digest"


def test_a_wrong_clock_is_corrected_by_the_time_of_sending():
    original, sent = ms("2026-03-02T10:00:00"), ms("2026-03-02T10:00:05")
    received = ms("2026-03-02T09:00:07")
    assert times.corrected(original, sent, received) == ms("2026-03-02T09:00:02")


def test_segment_corrects_by_sent_at():
    message = {
        "type": "track",
        "event": "x",
        "userId": "C1",
        "originalTimestamp": "2026-03-02T10:00:00Z",
        "sentAt": "2026-03-02T10:00:05.000Z",
    }
    fields = segment.fields_of(message, "", None, ms("2026-03-02T09:00:07"), digest)
    assert fields["event_time_ms"] == ms("2026-03-02T09:00:02")
    assert fields["client_time_ms"] == ms("2026-03-02T10:00:00")
    assert fields["sent_time_ms"] == ms("2026-03-02T10:00:05")


def test_sensors_corrects_by_flush_time():
    record = {
        "type": "track",
        "event": "x",
        "distinct_id": "a",
        "time": ms("2026-03-02T10:00:00"),
        "_flush_time": ms("2026-03-02T10:00:05"),
    }
    fields = sensors.fields_of(record, ms("2026-03-02T09:00:07"), "demo", digest)
    assert fields["event_time_ms"] == ms("2026-03-02T09:00:02")


def test_without_a_time_of_sending_the_clients_clock_stands():
    assert times.corrected(NOW - 5, 0, NOW) == NOW - 5


@pytest.mark.parametrize(
    ("event_ms", "history", "stored"),
    [
        (NOW - 1, False, NOW - 1),
        (NOW + 1, False, NOW),
        (NOW + 3 * HOUR, False, NOW),
        (NOW - 240 * HOUR, False, NOW - 240 * HOUR),
        (NOW - 240 * HOUR - 1, True, NOW - 240 * HOUR - 1),
        (1, True, 1),
    ],
)
def test_the_window(event_ms, history, stored):
    assert times.settled(event_ms, NOW, history=history) == stored


@pytest.mark.parametrize(
    ("event_ms", "history", "reason"),
    [
        (0, False, "TIME_MISSING"),
        (-5, True, "TIME_MISSING"),
        (NOW + 3 * HOUR + 1, False, "FAR_FUTURE"),
        (NOW + 3 * HOUR + 1, True, "FAR_FUTURE"),
        (NOW - 240 * HOUR - 1, False, "TOO_OLD"),
    ],
)
def test_outside_of_the_window(event_ms, history, reason):
    with pytest.raises(InvalidInput) as caught:
        times.settled(event_ms, NOW, history=history)
    assert (caught.value.reason, caught.value.field) == (reason, "event_time_ms")
