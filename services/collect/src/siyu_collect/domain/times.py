"""The rules about time: which window is believed, and how a client's clock is corrected."""

from siyu_collect.domain.limits import (
    FUTURE_TOLERANCE_MS,
    MAX_TIME_MS,
    MIN_TIME_MS,
    OLDEST_LIVE_MS,
)
from siyu_kit.errors import InvalidInput


def corrected(client_ms: int, sent_ms: int, received_ms: int) -> int:
    """The client's time by our clock: ``received - (sent - client)``.

    Both client times come from the same wrong clock, so their difference is right. Without a
    time of sending nothing is known about that clock and its time stands (Segment's rule;
    Sensors' ``_flush_time`` serves the same).
    """
    if not sent_ms:
        return client_ms
    return received_ms - (sent_ms - client_ms)


def check_client(client_ms: int, sent_ms: int) -> None:
    """The two times of a client's own clock, 0 when unknown; it may be wrong, but not absurd.

    Raises InvalidInput (VALUE_INVALID).
    """
    for field, time_ms in (("client_time_ms", client_ms), ("sent_time_ms", sent_ms)):
        if not MIN_TIME_MS <= time_ms <= MAX_TIME_MS:
            raise InvalidInput(
                "VALUE_INVALID", "a time lies between the years 1900 and 2299", field=field
            )


def settled(event_ms: int, received_ms: int, *, history: bool) -> int:
    """The time an event is stored under: never after its receipt.

    Raises InvalidInput: TIME_MISSING, TOO_OLD (live events only), FAR_FUTURE.
    """
    if event_ms <= 0:
        raise InvalidInput("TIME_MISSING", "the event has no time", field="event_time_ms")
    if event_ms > received_ms:
        if event_ms - received_ms > FUTURE_TOLERANCE_MS:
            raise InvalidInput(
                "FAR_FUTURE", "the event is more than 3 hours ahead", field="event_time_ms"
            )
        return received_ms
    if not history and received_ms - event_ms > OLDEST_LIVE_MS:
        raise InvalidInput(
            "TOO_OLD",
            "the event is older than 10 days; history comes by import",
            field="event_time_ms",
        )
    return event_ms
