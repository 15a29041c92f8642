"""The live day through the vendors' own libraries, as they come from PyPI."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from segment.analytics.client import Client
from sensorsanalytics import BatchConsumer, SensorsAnalytics, SensorsAnalyticsIdentity

from siyu_demo.records import Record
from siyu_demo.story.stage import PROJECT

_TIMEOUT_S = 20
_QUEUE = 1_000_000
"""The Segment library drops what does not fit into its queue."""

_SENSORS_KEYS = {
    "customer_no": "$identity_login_id",
    "mobile": "$identity_mobile",
    "openid": "$identity_mp_openid",
    "device_id": "$identity_android_id",
    "anonymous_id": "$identity_cookie_id",
}


class DeliveryFailed(Exception):
    """A vendor's library could not deliver; the message says what it reported."""


def send_by_sensors(
    records: Iterable[Record], http_url: str, write_key: str, advance: Callable[[int], None]
) -> int:
    """Send tracks and binds by SensorsAnalyticsSDK; how many were handed over."""
    url = f"{http_url}/sa?project={PROJECT}&token={write_key}"
    sdk = SensorsAnalytics(BatchConsumer(url, max_size=50, request_timeout=_TIMEOUT_S))
    sent = 0
    for record in records:
        identities = [
            SensorsAnalyticsIdentity(_SENSORS_KEYS[kind], value)
            for kind, value in record.ids.items()
        ]
        if record.type == "bind":
            _bind(sdk, identities, record.time)
        else:
            sdk.track_by_id(record.event, {**record.properties, "$time": record.time}, *identities)
        sent += 1
        advance(1)
    sdk.close()
    return sent


def _bind(sdk: Any, identities: list[Any], time_ms: int) -> None:
    """A bind has no properties of its own; its time comes by those common to all events."""
    sdk.register_super_properties({"$time": time_ms})
    sdk.bind(*identities)
    sdk.clear_super_properties()


def send_by_segment(
    records: Iterable[Record], http_url: str, write_key: str, advance: Callable[[int], None]
) -> int:
    """Send tracks by segment-analytics-python; how many were handed over.

    Raises:
        DeliveryFailed: the library gave a batch up.
    """
    failures: list[str] = []
    client = Client(
        write_key,
        host=http_url,
        max_queue_size=_QUEUE,
        timeout=_TIMEOUT_S,
        on_error=lambda error, _batch: failures.append(str(error)),
    )
    sent = 0
    for record in records:
        client.track(
            user_id=record.ids.get("customer_no"),
            anonymous_id=record.ids.get("anonymous_id"),
            event=record.event,
            properties=dict(record.properties),
            timestamp=datetime.fromtimestamp(record.time / 1000, UTC),
            message_id=record.message_id,
        )
        sent += 1
        advance(1)
    client.shutdown()
    if failures:
        raise DeliveryFailed(f"segment-analytics-python gave up: {failures[0]}")
    return sent
