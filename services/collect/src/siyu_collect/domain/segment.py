"""Messages of the Segment specification (``/v1/*``) as events."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from zlib import crc32

from siyu_collect.domain.json_properties import EventFields, typed
from siyu_collect.domain.limits import HOUR_MS
from siyu_collect.domain.records import Digest, as_object, as_text, invalid, texts_from
from siyu_collect.domain.times import corrected
from siyu_collect.domain.vocabulary import AUTHENTICATED, BIND, PROFILE_SET, TRACK
from siyu_kit.errors import InvalidInput
from siyu_kit.identifiers import RANKS

EXTERNAL_TYPES: Final = {
    **{name: name for name in RANKS},
    "user_id": "customer_no",
    "phone": "mobile",
    "android.id": "device_id",
    "android.idfa": "device_id",
    "ios.id": "device_id",
    "ios.idfa": "device_id",
}
"""Types of ``context.externalIds`` and the identifier types they become."""

_MAX_DEPTH: Final = 5
_HOURS: Final = 8_192


def fields_of(
    message: Any, call: str, sent_at: Any, received_ms: int, digest: Digest
) -> EventFields:
    """The event that a message states.

    ``call`` is the path's (empty in a batch: the message says its type); ``sent_at`` the batch's
    own, for messages without one. Raises InvalidInput with reason and field.
    """
    if not isinstance(message, dict):
        raise invalid("message", "a message is a JSON object")
    message_type = call or as_text(message.get("type"), "type")
    read = _READERS.get(message_type)
    if read is None:
        raise invalid("type", "the type of the message is not known")
    context = as_object(message.get("context"), "context")
    own_id = as_text(message.get("messageId"), "messageId")
    fields: EventFields = {
        "message_id": own_id or _content_id(message, digest),
        "ids": _identifiers(message, context),
        "context": _context(message, context),
        **_times(message, own_id, sent_at, received_ms),
    }
    read(message, fields)
    return fields


# --- one reader a call -------------------------------------------------------------------


def _track(message: Mapping[str, Any], fields: EventFields) -> None:
    fields |= {"kind": TRACK, "name": as_text(message.get("event"), "event")}
    _typed(message, "properties", fields)


def _page(message: Mapping[str, Any], fields: EventFields) -> None:
    _view("page", message, fields)


def _screen(message: Mapping[str, Any], fields: EventFields) -> None:
    _view("screen", message, fields)


def _view(what: str, message: Mapping[str, Any], fields: EventFields) -> None:
    fields |= {"kind": TRACK, "name": f"{what}_view"}
    own = {f"{what}_{name}": message.get(name) for name in ("name", "category")}
    _typed(message, "properties", fields, own)


def _identify(message: Mapping[str, Any], fields: EventFields) -> None:
    fields |= {"kind": PROFILE_SET, "evidence_class": AUTHENTICATED}
    _typed(message, "traits", fields)


def _group(message: Mapping[str, Any], fields: EventFields) -> None:
    """A group's traits are not the person's: they stay on the event that tells of joining it."""
    fields |= {"kind": TRACK, "name": "group_joined"}
    _typed(message, "traits", fields, {"group_id": as_text(message.get("groupId"), "groupId")})


def _alias(message: Mapping[str, Any], fields: EventFields) -> None:
    fields |= {"kind": BIND, "evidence_class": AUTHENTICATED}
    previous = as_text(message.get("previousId"), "previousId")
    if previous:
        fields["ids"].append(("anonymous_id", previous))


_READERS: Final = {
    "track": _track,
    "page": _page,
    "screen": _screen,
    "identify": _identify,
    "group": _group,
    "alias": _alias,
}

CALLS: Final = tuple(_READERS)
"""The calls of the specification that are taken."""


# --- the parts that all calls share ------------------------------------------------------


def _identifiers(message: Mapping[str, Any], context: Mapping[str, Any]) -> list[tuple[str, str]]:
    device = as_object(context.get("device"), "context.device")
    ids = [
        ("customer_no", as_text(message.get("userId"), "userId")),
        ("anonymous_id", as_text(message.get("anonymousId"), "anonymousId")),
        ("device_id", as_text(device.get("id"), "context.device.id")),
    ]
    external = context.get("externalIds")
    if not isinstance(external, list | None):
        raise invalid("context.externalIds", "the field is a list")
    ids += [_external(index, item) for index, item in enumerate(external or ())]
    return list(dict.fromkeys(pair for pair in ids if pair[1]))


def _external(index: int, item: Any) -> tuple[str, str]:
    field = f"context.externalIds[{index}]"
    item = as_object(item, field)
    given = as_text(item.get("type"), f"{field}.type")
    identifier_type = EXTERNAL_TYPES.get(given)
    if identifier_type is None:
        raise InvalidInput(
            "IDENTITY_KEY_UNKNOWN", "the type of an external id is not known", field=f"{field}.type"
        )
    return identifier_type, as_text(item.get("id"), f"{field}.id")


def _content_id(message: Mapping[str, Any], digest: Digest) -> str:
    """The time of sending is another one when the message is sent again."""
    return digest({name: value for name, value in message.items() if name != "sentAt"})


def _times(
    message: Mapping[str, Any], own_id: str, sent_at: Any, received_ms: int
) -> dict[str, int]:
    original = message.get("originalTimestamp") or message.get("timestamp")
    if not original:
        return {
            "event_time_ms": received_ms,
            "client_time_ms": _time_of_id(own_id) if own_id else received_ms,
        }
    client_ms = _parsed(original, "timestamp")
    sent_ms = _parsed(message.get("sentAt") or sent_at, "sentAt")
    return {
        "event_time_ms": corrected(client_ms, sent_ms, received_ms),
        "client_time_ms": client_ms,
        "sent_time_ms": sent_ms,
    }


def _time_of_id(own_id: str) -> int:
    """What stands for the client's time in a message that has an id and no time.

    A second event is known by its id and the hour of the client's time. The time of receipt would
    give a message sent again after the turn of an hour another one; this hour, of the year 1970,
    is the same each time. Many hours share the messages, because all of one may have to be read.
    A message without an id keeps the time of receipt: tomorrow's with the same content is another.
    """
    return (1 + crc32(own_id.encode("utf-8", "surrogatepass")) % _HOURS) * HOUR_MS


def _parsed(value: Any, field: str) -> int:
    """ISO 8601 as milliseconds; without a zone it is UTC, absent it is 0."""
    if not value:
        return 0
    try:
        time = datetime.fromisoformat(value)
        if time.tzinfo is None:
            time = time.replace(tzinfo=UTC)
        return round(time.timestamp() * 1000)
    except (TypeError, ValueError, OverflowError):
        raise invalid(field, "the field is an ISO 8601 time") from None


def _context(message: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, str]:
    def part(name: str) -> Mapping[str, Any]:
        value = context.get(name)
        return value if isinstance(value, dict) else {}

    found = texts_from(part("library"), {"name": "lib"})
    found |= texts_from(message, {"channel": "platform"})
    found |= texts_from(part("os"), {"name": "platform"})
    found |= texts_from(part("app"), {"version": "app_version"})
    campaign = {"source": "utm_source", "medium": "utm_medium", "name": "utm_campaign"}
    found |= texts_from(part("campaign"), campaign)
    found |= texts_from(context, {"userAgent": "user_agent"})
    return found | texts_from(part("page"), {"url": "page_url", "referrer": "referrer"})


def _typed(
    message: Mapping[str, Any],
    name: str,
    fields: EventFields,
    own: Mapping[str, Any] | None = None,
) -> None:
    given = as_object(message.get(name), name)
    typed({**_flat(given, name), **(own or {})}, fields)


def _flat(values: Mapping[str, Any], field: str, depth: int = 0) -> dict[str, Any]:
    """Objects inside as ``outer.inner``: properties are flat here and nested there."""
    if depth > _MAX_DEPTH:
        raise invalid(field, "the values are nested too deeply")
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict) and value.keys() != {"$time"}:
            inner = _flat(value, f"{field}.{key[:100]}", depth + 1)
            flat |= {f"{key}.{name}": item for name, item in inner.items()}
        else:
            flat[key] = value
    return flat
