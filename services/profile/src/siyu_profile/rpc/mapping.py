"""Stored profiles as contract messages."""

from collections.abc import Sequence

from siyu.profile.v1 import profile_service_pb2 as pb
from siyu_profile.app.ports import Seal, StoredProfile
from siyu_profile.domain.contacts import TYPE_OF_CHANNEL
from siyu_profile.messages import unsealed


def to_profile(seal: Seal, project_id: str, stored: StoredProfile) -> pb.Profile:
    """The whole profile, addresses in clear: the server's masks come after."""
    message = pb.Profile.FromString(stored.document)
    message.person_no = stored.person_no
    message.person_id = stored.person_id
    message.version = stored.version
    for point in message.contact_points:
        sealed = unsealed(point.address)
        point.address = seal.open(project_id, point.contact_point_id, sealed)
    return message


def to_send_facts(
    seal: Seal,
    project_id: str,
    asked: int,
    stored: StoredProfile | None,
    request: pb.GetSendFactsRequest,
) -> pb.SendFacts:
    """What a dispatch on one channel must know; an unknown person has nothing."""
    facts = pb.SendFacts(person_no=asked, current_person_no=asked)
    if stored is None:
        return facts
    facts.current_person_no = stored.person_no
    facts.version = stored.version
    profile = pb.Profile.FromString(stored.document)
    _add_address(seal, project_id, facts, profile, request.channel)
    for consent in profile.consents:
        if consent.channel == request.channel and consent.purpose == request.purpose:
            facts.consent.CopyFrom(consent)
    if profile.HasField("rating"):
        facts.rating.CopyFrom(profile.rating)
    facts.traits.extend(_wanted(profile.traits, request.traits))
    return facts


def _add_address(
    seal: Seal, project_id: str, facts: pb.SendFacts, profile: pb.Profile, channel: str
) -> None:
    """The newest contact point of the channel's type; the document has them newest first."""
    kind = TYPE_OF_CHANNEL.get(channel)
    for point in profile.contact_points:
        if point.type == kind:
            sealed = unsealed(point.address)
            facts.address = seal.open(project_id, point.contact_point_id, sealed)
            facts.address_key = seal.key_of(project_id, kind, facts.address)
            facts.contact_point_id = point.contact_point_id
            return


def _wanted(traits: Sequence[pb.Trait], names: Sequence[str]) -> list[pb.Trait]:
    asked = set(names)
    return [trait for trait in traits if trait.name in asked]
