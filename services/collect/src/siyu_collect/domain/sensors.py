"""Records of the Sensors SDKs (``/sa``) as events. Source: shared wire notes 5.2 and the SDKs."""

from collections.abc import Mapping
from typing import Any, Final

from siyu_collect.domain.json_properties import EventFields, typed
from siyu_collect.domain.records import (
    Digest,
    as_object,
    as_text,
    as_time_ms,
    content_id,
    invalid,
    texts_from,
)
from siyu_collect.domain.times import corrected
from siyu_collect.domain.vocabulary import AUTHENTICATED, BIND, KIND_OF, TRACK, UNBIND
from siyu_kit.errors import InvalidInput

KINDS: Final = {
    **{name: kind for name, kind in KIND_OF.items() if kind not in {BIND, UNBIND}},
    "track_signup": BIND,
    "track_id_bind": BIND,
    "track_id_unbind": UNBIND,
}
"""Record types that become events."""

UNSUPPORTED: Final = frozenset(
    {"item_set", "item_delete", "detail_set", "detail_delete", "profile_delete"}
)
"""Known types that have no place in this platform."""

IDENTITY_TYPES: Final = {
    "$identity_login_id": "customer_no",
    "$identity_mobile": "mobile",
    "$identity_email": "email",
    "$identity_anonymous_id": "anonymous_id",
    "$identity_cookie_id": "anonymous_id",
    "$identity_android_id": "device_id",
    "$identity_android_uuid": "device_id",
    "$identity_idfv": "device_id",
    "$identity_idfa": "device_id",
    "$identity_ios_uuid": "device_id",
    "$identity_oaid": "device_id",
    "$identity_imei": "device_id",
    "$identity_harmony_uuid": "device_id",
    "$identity_mp_unionid": "unionid",
    "$identity_unionid": "unionid",
    "$identity_mp_openid": "openid",
    "$identity_mp_id": "openid",
    "$identity_openid": "openid",
    "$identity_external_userid": "external_userid",
}
"""Identity keys (IDM 3.0) and the identifier types they become; another one refuses the record."""

CONTEXT: Final = {
    "$lib": "lib",
    "$os": "platform",
    "$app_version": "app_version",
    "$utm_source": "utm_source",
    "$utm_medium": "utm_medium",
    "$utm_campaign": "utm_campaign",
    "$user_agent": "user_agent",
    "$url": "page_url",
    "$referrer": "referrer",
}
"""System properties of an event that become its context; a profile's are traits like any other."""


def fields_of(record: Any, received_ms: int, project_id: str, digest: Digest) -> EventFields:
    """The event that a record states; raises InvalidInput with reason and field."""
    if not isinstance(record, dict):
        raise invalid("record", "a record is a JSON object")
    record_type = as_text(record.get("type"), "type")
    kind = KINDS.get(record_type)
    if kind is None:
        raise _unknown_type(record_type)
    _check_project(record, project_id)
    client_ms = as_time_ms(record.get("time"), "time")
    flushed_ms = as_time_ms(record.get("_flush_time"), "_flush_time")
    properties = dict(as_object(record.get("properties"), "properties"))
    by_login = properties.pop("$is_login_id", False) is True
    fields: EventFields = {
        "message_id": _message_id(record, digest),
        "ids": _identifiers(record, record_type, by_login=by_login),
        "kind": kind,
        "event_time_ms": corrected(client_ms, flushed_ms, received_ms),
        "client_time_ms": client_ms,
        "sent_time_ms": flushed_ms,
        "context": _context(record, properties, kind),
    }
    if kind == TRACK:
        fields["name"] = as_text(record.get("event"), "event")
    elif kind in {BIND, UNBIND}:
        fields["evidence_class"] = AUTHENTICATED
    typed(properties, fields)
    return fields


def is_history(record: Any) -> bool:
    """Whether the sender marked the record as history, whose time may be long past."""
    return isinstance(record, dict) and record.get("time_free") is True


def _unknown_type(record_type: str) -> InvalidInput:
    if record_type in UNSUPPORTED:
        return InvalidInput(
            "RECORD_TYPE_UNSUPPORTED",
            f"records of type {record_type} are not taken",
            field="type",
            type=record_type,
        )
    return invalid("type", "the type of the record is not known")


def _check_project(record: Mapping[str, Any], project_id: str) -> None:
    own = record.get("project")
    if own is not None and own != project_id:
        raise InvalidInput(
            "PROJECT_MISMATCH", "the record names another project than the key's", field="project"
        )


def _message_id(record: Mapping[str, Any], digest: Digest) -> str:
    """The SDK's own id is short and random: unique together with the sender and the time."""
    track_id = record.get("_track_id")
    if track_id is None:
        return digest({key: record[key] for key in record if key != "_flush_time"})
    return content_id(
        as_text(track_id, "_track_id"),
        as_text(record.get("distinct_id"), "distinct_id"),
        str(as_time_ms(record.get("time"), "time")),
    )


def _identifiers(
    record: Mapping[str, Any], record_type: str, *, by_login: bool
) -> list[tuple[str, str]]:
    identities = as_object(record.get("identities"), "identities")
    if identities:
        # distinct_id repeats one of them, in a form of the SDK's own.
        return [_identity(key, value) for key, value in identities.items()]
    signs_up = record_type == "track_signup"
    distinct_id = as_text(record.get("distinct_id"), "distinct_id")
    login_id = as_text(record.get("login_id"), "login_id")
    ids = [("customer_no", login_id)]
    if distinct_id != login_id:
        known = by_login or signs_up
        ids.append(("customer_no" if known else "anonymous_id", distinct_id))
    ids.append(("anonymous_id", as_text(record.get("anonymous_id"), "anonymous_id")))
    if signs_up:
        ids.append(("anonymous_id", as_text(record.get("original_id"), "original_id")))
    return list(dict.fromkeys(pair for pair in ids if pair[1]))


def _identity(key: str, value: Any) -> tuple[str, str]:
    identifier_type = IDENTITY_TYPES.get(key)
    if identifier_type is None:
        raise InvalidInput(
            "IDENTITY_KEY_UNKNOWN",
            "an identity key of the record is not known",
            field=f"identities.{key[:100]}",
        )
    return identifier_type, as_text(value, f"identities.{key}")


def _context(record: Mapping[str, Any], properties: dict[str, Any], kind: int) -> dict[str, str]:
    """The context, taken out of an event's properties; of a profile's, only ``lib`` counts."""
    context = texts_from(as_object(record.get("lib"), "lib"), CONTEXT)
    if kind in {TRACK, BIND, UNBIND}:
        context |= texts_from(properties, CONTEXT)
        for name in CONTEXT:
            if isinstance(properties.get(name), str):
                del properties[name]
    return context
