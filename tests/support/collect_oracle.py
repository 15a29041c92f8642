"""The door's rules for one event, written to be obvious: the oracle of the sifter."""

import math
import re
from typing import Any

from siyu.event.v1.event_pb2 import Event
from siyu.type.v1.identifier_pb2 import EVIDENCE_CLASS_AUTHENTICATED, EVIDENCE_CLASS_OBSERVED
from siyu_kit.errors import InvalidInput
from siyu_kit.identifiers import RANKS, is_junk, normalise

CONTEXT = {
    "lib", "platform", "app_version", "utm_source", "utm_medium", "utm_campaign",
    "user_agent", "page_url", "referrer",
}  # fmt: skip
TEN_DAYS_MS = 864_000_000
THREE_HOURS_MS = 10_800_000
MAPS = ("string", "number", "bool", "time", "list")


def judged(event: Event, project_id: str, received_ms: int, *, history: bool) -> Event | None:
    """The event as it must be stored, or None when it must be refused."""
    stored = Event()
    stored.CopyFrom(event)
    stored.project_id, stored.source, stored.received_time_ms = project_id, "grpc", received_ms
    right = (
        _names(stored)
        and _ids(stored)
        and _evidence(stored)
        and _times(stored, received_ms, history=history)
        and _values(stored)
    )
    return stored if right else None


def _names(event: Event) -> bool:
    message_id = event.message_id
    if not 1 <= len(message_id.encode()) <= 100 or not message_id.isprintable():
        return False
    if not 1 <= event.kind <= 8:
        return False
    if event.kind != 1:
        return event.name == ""
    name = event.name
    return 1 <= len(name.encode()) <= 100 and name.isprintable() and name == name.strip()


def _ids(event: Event) -> bool:
    if len(event.ids) > 10:
        return False
    kept = set()
    for item in event.ids:
        try:
            value = normalise(item.type, item.value)
        except InvalidInput:
            return False
        if not is_junk(item.type, value):
            kept.add((RANKS[item.type], item.type, value))
    del event.ids[:]
    for _, kind, value in sorted(kept):
        event.ids.add(type=kind, value=value)
    return len(kept) >= (2 if event.kind in {2, 3} else 1)


def _evidence(event: Event) -> bool:
    if event.evidence_class not in {0, 2, 3, 4, 5}:
        return False
    if not event.evidence_class and len(event.ids) > 1:
        event.evidence_class = (
            EVIDENCE_CLASS_AUTHENTICATED if event.kind == 2 else EVIDENCE_CLASS_OBSERVED
        )
    return True


def _times(event: Event, received_ms: int, *, history: bool) -> bool:
    time = event.event_time_ms
    if not time:
        time = event.client_time_ms
        if event.sent_time_ms:
            time = received_ms - (event.sent_time_ms - event.client_time_ms)
    if not all(
        -2_208_988_800_000 <= clock <= 10_413_791_999_999
        for clock in (event.client_time_ms, event.sent_time_ms)
    ):
        return False
    if not event.client_time_ms:
        event.client_time_ms = event.event_time_ms
    event.event_time_ms = min(time, received_ms)
    if time <= 0 or time > received_ms + THREE_HOURS_MS:
        return False
    return history or time >= received_ms - TEN_DAYS_MS


def _values(event: Event) -> bool:
    maps: dict[str, Any] = {name: getattr(event, f"{name}_properties") for name in MAPS}
    keys = [key for values in maps.values() for key in values]
    return (
        len(keys) <= 300
        and len(set(keys)) == len(keys)
        and all(re.fullmatch(r"[A-Za-z$_][A-Za-z0-9_$.]{0,99}", key) for key in keys)
        and (event.kind < 4 or not any(re.match(r"(consent|rating)\.", key) for key in keys))
        and CONTEXT.issuperset(event.context)
        and (event.kind != 6 or len(maps["number"]) == len(keys))
        and (event.kind != 7 or len(maps["list"]) == len(keys))
        and _numbers(maps["number"])
        and all(-2_208_988_800_000 <= time <= 10_413_791_999_999 for time in maps["time"].values())
        and all(_list(maps["list"][key]) for key in maps["list"])
        and all(
            len(text.encode()) <= 8191 and (event.kind == 1 or "\0" not in text)
            for texts in (maps["string"], event.context)
            for text in texts.values()
        )
    )


def _numbers(values: Any) -> bool:
    if not all(math.isfinite(value) and abs(value) <= 9e14 for value in values.values()):
        return False
    for key in list(values):
        values[key] = round(values[key], 4)
    return True


def _list(item: Any) -> bool:
    texts = list(item.values)
    item.values[:] = list(dict.fromkeys(texts))
    return len(texts) <= 100 and all(
        len(text.encode()) <= 255 and "\0" not in text for text in texts
    )
