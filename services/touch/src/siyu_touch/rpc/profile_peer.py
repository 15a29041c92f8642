"""The profile service as the source of what a dispatch must know."""

from collections.abc import Sequence

from siyu.profile.v1 import profile_service_pb2 as pb
from siyu.profile.v1.profile_service_pb2_grpc import ProfileServiceStub
from siyu_kit.rpc.channel import KitChannel
from siyu_kit.rpc.client import call
from siyu_touch.app.ports import FactsQuestion
from siyu_touch.domain.gates import Consent, Facts
from siyu_touch.domain.suitability import Rating
from siyu_touch.rpc.mapping import from_value


class GrpcSendFacts:
    """``ports.SendFactsSource`` over gRPC."""

    def __init__(self, channel: KitChannel) -> None:
        self._stub = ProfileServiceStub(channel)

    async def facts(self, question: FactsQuestion) -> Sequence[Facts]:
        request = pb.GetSendFactsRequest(
            project_id=question.project_id,
            person_nos=question.person_nos,
            channel=question.channel.label,
            purpose=question.message_class.purpose,
            traits=question.traits,
        )
        response = await call(self._stub.GetSendFacts, request)
        return [_facts(message) for message in response.facts]


def _facts(message: pb.SendFacts) -> Facts:
    values = {trait.name: from_value(trait.value) for trait in message.traits}
    return Facts(
        person_no=message.person_no,
        current_person_no=message.current_person_no,
        address=message.address,
        address_key=message.address_key,
        consent=_consent(message.consent) if message.HasField("consent") else None,
        rating=_rating(message.rating) if message.HasField("rating") else None,
        traits={name: value for name, value in values.items() if value is not None},
        version=message.version,
        ident_nos=tuple(message.ident_nos),
    )


def _consent(state: pb.ConsentState) -> Consent:
    return Consent(state.granted, state.consent_id, state.text_version)


def _rating(state: pb.RatingState) -> Rating:
    return Rating(int(state.level), state.expire_time_ms, state.rating_id)
