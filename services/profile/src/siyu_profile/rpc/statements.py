"""Facts as the contract states them: checked one by one, refused one by one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Generic, TypeVar

from siyu.profile.v1 import profile_service_pb2 as pb
from siyu.type.v1 import identifier_pb2, item_result_pb2
from siyu_kit.errors import DomainError, InvalidInput
from siyu_kit.identifiers import is_junk, normalise
from siyu_kit.rpc.enums import chosen
from siyu_kit.rpc.status import item_status
from siyu_kit.rpc.texts import refuse_nul
from siyu_profile.app.ports import Identifier, Outcome, Seal
from siyu_profile.app.record_facts import identifier_refused, key_reused
from siyu_profile.domain.consents import Consent, check_channel, check_purpose
from siyu_profile.domain.contacts import ContactPoint, check_address, check_type
from siyu_profile.domain.ratings import Rating
from siyu_profile.domain.traits import OperationKind, TraitOperation, check_trait
from siyu_profile.domain.values import TraitValue
from siyu_profile.messages import from_value

F = TypeVar("F")

MAX_BATCH: Final = 1_000
CLOCK_SKEW_MS: Final = 5_000
"""How far a sender's clock may be ahead of ours."""
_MAX_KEY: Final = 100


@dataclass
class Checked(Generic[F]):
    """The good items by position, with key and identifier, and the reasons against the others."""

    good: dict[int, tuple[str, Identifier, F]] = field(default_factory=dict)
    bad: dict[int, DomainError] = field(default_factory=dict)
    name: str = ""
    """The request's field that holds the items."""

    def facts(self) -> list[tuple[Identifier, F]]:
        """What to record."""
        return [(identifier, fact) for _, identifier, fact in self.good.values()]

    def results(self, outcome: Outcome) -> list[item_result_pb2.ItemResult]:
        """One result for each item, in order."""
        errors = dict(self.bad)
        for index, (key, identifier, _) in self.good.items():
            if identifier in outcome.unnumbered:
                errors[index] = identifier_refused(f"{self.name}[{index}].identifier")
            elif key in outcome.reused:
                errors[index] = key_reused(key)
        return [
            item_result_pb2.ItemResult(index=index, status=item_status(errors.get(index)))
            for index in range(len(self.good) + len(self.bad))
        ]


def check_each(
    items: Sequence[Any], name: str, check: Callable[[Any, str], tuple[str, Identifier, F]]
) -> Checked[F]:
    """Check every item; raises InvalidInput when there are none or too many."""
    if not 0 < len(items) <= MAX_BATCH:
        raise InvalidInput("FIELD_INVALID", f"send 1 to {MAX_BATCH} at once", field=name)
    checked: Checked[F] = Checked(name=name)
    for index, item in enumerate(items):
        try:
            refuse_nul(item, f"{name}[{index}]")
            checked.good[index] = check(item, f"{name}[{index}]")
        except InvalidInput as error:
            checked.bad[index] = error
    return checked


def operation(
    message: pb.TraitOperation, at: str, *, latest_ms: int
) -> tuple[str, Identifier, TraitOperation]:
    """A trait operation."""
    kind = chosen(OperationKind, message.kind, f"{at}.kind")
    value = from_value(message.value, f"{at}.value")
    _check_operand(kind, value, f"{at}.value")
    fact = TraitOperation(
        _key(message.operation_id, f"{at}.operation_id"),
        0,
        check_trait(message.trait, f"{at}.trait"),
        kind,
        value,
        _past(message.event_time_ms, f"{at}.event_time_ms", latest_ms),
    )
    return fact.operation_id, _identifier(message.identifier, at), fact


def consent(message: pb.Consent, at: str, *, latest_ms: int) -> tuple[str, Identifier, Consent]:
    """A statement of consent."""
    fact = Consent(
        _key(message.consent_id, f"{at}.consent_id"),
        0,
        check_channel(message.channel, f"{at}.channel"),
        check_purpose(message.purpose, f"{at}.purpose"),
        message.granted,
        _text(message.text_version, 100, f"{at}.text_version"),
        _text(message.evidence, 200, f"{at}.evidence"),
        _past(message.event_time_ms, f"{at}.event_time_ms", latest_ms),
    )
    return fact.consent_id, _identifier(message.identifier, at), fact


def rating(message: pb.Rating, at: str, *, latest_ms: int) -> tuple[str, Identifier, Rating]:
    """A risk assessment."""
    if not pb.RISK_LEVEL_C1 <= message.level <= pb.RISK_LEVEL_C5:
        raise InvalidInput("FIELD_INVALID", "a level is C1 to C5", field=f"{at}.level")
    fact = Rating(
        _key(message.rating_id, f"{at}.rating_id"),
        0,
        int(message.level),
        _past(message.assessed_time_ms, f"{at}.assessed_time_ms", latest_ms),
        _time(message.expire_time_ms, f"{at}.expire_time_ms"),
    )
    if fact.expire_time_ms <= fact.assessed_time_ms:
        raise InvalidInput(
            "FIELD_INVALID", "it lapses after it was made", field=f"{at}.expire_time_ms"
        )
    return fact.rating_id, _identifier(message.identifier, at), fact


def contact_point(
    seal: Seal, project_id: str, latest_ms: int
) -> Callable[[pb.ContactPoint, str], tuple[str, Identifier, ContactPoint]]:
    """The check of a contact point, which seals its address."""

    def check(message: pb.ContactPoint, at: str) -> tuple[str, Identifier, ContactPoint]:
        key = _key(message.contact_point_id, f"{at}.contact_point_id")
        kind = check_type(message.type, f"{at}.type")
        address = check_address(message.address, f"{at}.address")
        fact = ContactPoint(
            key,
            0,
            kind,
            seal.seal(project_id, key, address),
            seal.key_of(project_id, kind, address),
            message.removed,
            _past(message.event_time_ms, f"{at}.event_time_ms", latest_ms),
        )
        return key, _identifier(message.identifier, at), fact

    return check


def identifier_of(message: identifier_pb2.Identifier, at: str) -> Identifier:
    """An identifier, normalised."""
    try:
        return message.type, normalise(message.type, message.value)
    except InvalidInput as error:
        error.field = f"{at}.{error.field or 'value'}"
        raise


def _identifier(message: identifier_pb2.Identifier, at: str) -> Identifier:
    identifier = identifier_of(message, f"{at}.identifier")
    if is_junk(*identifier):
        raise InvalidInput(
            "FIELD_INVALID",
            "a placeholder shared by many people says nothing about one of them",
            field=f"{at}.identifier.value",
        )
    return identifier


def _check_operand(kind: OperationKind, value: TraitValue | None, at: str) -> None:
    fits = {
        OperationKind.UNSET: value is None,
        OperationKind.INCREMENT: isinstance(value, Decimal),
        OperationKind.APPEND: isinstance(value, tuple),
    }.get(kind, value is not None)
    if not fits:
        raise InvalidInput("FIELD_INVALID", f"{kind.name} does not take this value", field=at)


def _key(key: str, at: str) -> str:
    return _text(key, _MAX_KEY, at)


def _text(text: str, most: int, at: str) -> str:
    if not 0 < len(text.encode()) <= most:
        raise InvalidInput("FIELD_INVALID", f"1 to {most} bytes", field=at)
    return text


def _time(ms: int, at: str) -> int:
    if ms <= 0:
        raise InvalidInput("FIELD_INVALID", "a time after 1970, in milliseconds", field=at)
    return ms


def _past(ms: int, at: str, latest_ms: int) -> int:
    """A time that has come: a statement dated ahead could not be withdrawn before then."""
    if _time(ms, at) > latest_ms:
        raise InvalidInput("FIELD_INVALID", "a time in the future", field=at)
    return ms
