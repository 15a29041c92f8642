"""Contract <-> domain."""

from collections.abc import Iterable

from siyu.event.v1.identity_change_pb2 import IdentityChangeBatch
from siyu.identity.v1 import identity_service_pb2 as pb
from siyu.type.v1 import identifier_pb2
from siyu_identity.app.get_person import Person, PersonKey
from siyu_identity.app.link import Claim
from siyu_identity.app.ports import Member, Standing
from siyu_identity.domain.evidence import Identifier, Strength
from siyu_kit.errors import InvalidInput
from siyu_kit.identifiers import is_junk, normalise

_PERSON_ID_CHARACTERS = 32


def identifier_of(message: identifier_pb2.Identifier, field: str) -> Identifier:
    """The identifier in its normal form; raises InvalidInput with the field's whole path."""
    try:
        return Identifier(message.type, normalise(message.type, message.value))
    except InvalidInput as error:
        error.field = f"{field}.{error.field}"
        raise


def numbered_of(message: identifier_pb2.Identifier, field: str) -> Identifier:
    """An identifier that may get a number; raises InvalidInput for a placeholder, too."""
    identifier = identifier_of(message, field)
    if is_junk(*identifier):
        raise InvalidInput(
            "IDENTIFIER_PLACEHOLDER",
            f"{field} is a placeholder shared by many people",
            field=f"{field}.value",
            type=identifier.type,
        )
    return identifier


def claim_of(evidence: pb.Evidence, field: str) -> Claim:
    """The claim of a piece of evidence; raises InvalidInput."""
    prefix = f"{field}." if field else ""
    require_text(evidence.evidence_id, 100, f"{prefix}evidence_id")
    require_text(evidence.source, 100, f"{prefix}source")
    if not 2 <= len(evidence.ids) <= 10:
        raise invalid(f"{prefix}ids", "must hold 2 to 10 identifiers")
    if evidence.event_time_ms <= 0:
        raise invalid(f"{prefix}event_time_ms", "must be a time after 1970")
    strength = evidence.evidence_class or Strength.OBSERVED
    if strength not in set(Strength):
        raise invalid(f"{prefix}evidence_class", "is not a class of evidence")
    if strength == Strength.STEWARD:
        raise InvalidInput(
            "EVIDENCE_BY_HAND",
            "links by hand need a second person: LinkByHand",
            field=f"{prefix}evidence_class",
        )
    identifiers = [
        identifier_of(item, f"{prefix}ids[{index}]") for index, item in enumerate(evidence.ids)
    ]
    return Claim(
        evidence.evidence_id, identifiers, strength, evidence.event_time_ms, evidence.source
    )


def resolution(standing: Standing | None) -> pb.Resolution:
    """The message of a standing; all zero for none."""
    if standing is None:
        return pb.Resolution()
    return pb.Resolution(
        ident_no=standing.ident_no,
        person_no=standing.person_no,
        person_id=standing.person_key.hex(),
    )


def person_key(request: pb.GetPersonRequest) -> PersonKey:
    """What a person is looked for by; raises InvalidInput."""
    match request.WhichOneof("key"):
        case "person_id":
            return _person_id(request.person_id)
        case "person_no":
            return request.person_no
        case "identifier":
            return identifier_of(request.identifier, "identifier")
        case _:
            raise invalid("key", "one of person_id, person_no and identifier is required")


def person_message(person: Person) -> pb.Person:
    """The message of a person."""
    return pb.Person(
        person_id=person.person_key.hex(),
        person_no=person.person_no,
        identifiers=[_member(member) for member in person.members],
    )


def changes(rows: Iterable[tuple[int, bytes]]) -> Iterable[pb.SequencedChange]:
    """The messages of feed rows."""
    for sequence, payload in rows:
        yield pb.SequencedChange(sequence=sequence, batch=IdentityChangeBatch.FromString(payload))


def require_text(value: str, most: int, field: str) -> None:
    """Raises InvalidInput for a text that is empty or too long."""
    if not 0 < len(value.encode()) <= most or "\0" in value:
        raise invalid(field, f"must have 1 to {most} bytes, none of them zero")


def invalid(field: str, rule: str) -> InvalidInput:
    """The error for a malformed field."""
    return InvalidInput("FIELD_INVALID", f"{field} {rule}", field=field)


def _person_id(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(text) != _PERSON_ID_CHARACTERS or not key:
        raise invalid("person_id", f"must be {_PERSON_ID_CHARACTERS} hexadecimal characters")
    return key


def _member(member: Member) -> pb.PersonIdentifier:
    return pb.PersonIdentifier(
        identifier=identifier_pb2.Identifier(
            type=member.identifier.type, value=member.identifier.value
        ),
        ident_no=member.ident.no,
        first_seen_time_ms=member.seen_ms,
        quarantined=member.ident.place.quarantined,
    )
