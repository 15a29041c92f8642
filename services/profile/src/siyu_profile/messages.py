"""Values and profiles as contract messages, for the store, the streams and the RPCs alike.

The stored document is a serialized ``siyu.profile.v1.Profile`` without person and version, whose
contact addresses are sealed (base64 of the ciphertext): reading one is parsing one blob.
"""

import base64
from collections.abc import Mapping
from decimal import Decimal
from typing import cast

from siyu.profile.v1 import profile_service_pb2 as pb
from siyu.type.v1 import value_pb2
from siyu_kit.errors import DataLoss
from siyu_profile.domain.profile import Profile
from siyu_profile.domain.traits import TraitState
from siyu_profile.domain.values import PLACES, Instant, TraitValue, check_items, check_text, number


def to_value(value: TraitValue) -> value_pb2.Value:
    """The contract's value."""
    match value:
        case bool():
            return value_pb2.Value(bool_value=value)
        case str():
            return value_pb2.Value(string_value=value)
        case Decimal():
            return value_pb2.Value(number_value=float(value))
        case Instant():
            return value_pb2.Value(time_ms_value=value.ms)
        case tuple():
            return value_pb2.Value(list_value=value_pb2.StringList(values=value))


def from_value(message: value_pb2.Value, field: str) -> TraitValue | None:
    """The domain's value, None for none; InvalidInput for one outside of the limits."""
    match message.WhichOneof("kind"):
        case "string_value":
            return check_text(message.string_value, field)
        case "number_value":
            return number(message.number_value, field)
        case "bool_value":
            return message.bool_value
        case "time_ms_value":
            return Instant(message.time_ms_value)
        case "list_value":
            return check_items(tuple(message.list_value.values), field)
        case None:
            return None


def stored_value(message: value_pb2.Value) -> TraitValue | None:
    """A value that was checked when it came in: what is stored is never refused."""
    match message.WhichOneof("kind"):
        case "string_value":
            return message.string_value
        case "number_value":
            return Decimal(repr(message.number_value)).quantize(PLACES)
        case "bool_value":
            return message.bool_value
        case "time_ms_value":
            return Instant(message.time_ms_value)
        case "list_value":
            return tuple(message.list_value.values)
        case None:
            return None


def pack_value(value: TraitValue | None) -> bytes:
    """A value as it is stored; empty for none."""
    return b"" if value is None else to_value(value).SerializeToString()


def unpack_value(content: bytes) -> TraitValue | None:
    """The value that ``pack_value`` made ``content`` of."""
    return stored_value(value_pb2.Value.FromString(content)) if content else None


def to_document(profile: Profile) -> bytes:
    """A folded profile as it is stored."""
    message = pb.Profile()
    for name in sorted(profile.traits):
        state = profile.traits[name]
        message.traits.add(
            name=name, value=to_value(state.value), valid_from_ms=state.valid_from_ms
        )
    for point in profile.contacts:
        message.contact_points.add(
            contact_point_id=point.contact_point_id,
            type=point.type,
            address=base64.b64encode(point.sealed_address).decode(),
            event_time_ms=point.event_time_ms,
        )
    for key in sorted(profile.consents):
        consent = profile.consents[key]
        message.consents.add(
            channel=consent.channel,
            purpose=consent.purpose,
            granted=consent.granted,
            consent_id=consent.consent_id,
            text_version=consent.text_version,
            event_time_ms=consent.event_time_ms,
        )
    if profile.rating is not None:
        message.rating.level = cast("pb.RiskLevel.ValueType", profile.rating.level)
        message.rating.rating_id = profile.rating.rating_id
        message.rating.expire_time_ms = profile.rating.expire_time_ms
        message.rating.assessed_time_ms = profile.rating.assessed_time_ms
    return message.SerializeToString()


def published(document: bytes) -> Mapping[str, TraitState]:
    """What a stored document told others by name; see ``Profile.published``."""
    message = pb.Profile.FromString(document)
    told = {
        trait.name: TraitState(_present(trait.value), trait.valid_from_ms)
        for trait in message.traits
    }
    for consent in message.consents:
        name = f"consent.{consent.channel}.{consent.purpose}"
        told[name] = TraitState(consent.granted, consent.event_time_ms)
    if message.HasField("rating"):
        since = message.rating.assessed_time_ms
        told["rating.risk"] = TraitState(Decimal(message.rating.level), since)
        told["rating.risk_level"] = TraitState(f"C{message.rating.level}", since)
    return told


def unsealed(sealed_text: str) -> bytes:
    """The ciphertext of an address in a document."""
    return base64.b64decode(sealed_text)


def sealed_addresses(document: bytes) -> dict[str, bytes]:
    """The ciphertexts of a document, by contact point."""
    message = pb.Profile.FromString(document)
    return {point.contact_point_id: unsealed(point.address) for point in message.contact_points}


def with_sealed(document: bytes, addresses: Mapping[str, bytes]) -> bytes:
    """The document with these ciphertexts in place of those it has."""
    message = pb.Profile.FromString(document)
    for point in message.contact_points:
        if point.contact_point_id in addresses:
            point.address = base64.b64encode(addresses[point.contact_point_id]).decode()
    return message.SerializeToString()


def _present(message: value_pb2.Value) -> TraitValue:
    value = stored_value(message)
    if value is None:
        raise DataLoss("DOCUMENT_DAMAGED", "a stored trait has no value")
    return value
