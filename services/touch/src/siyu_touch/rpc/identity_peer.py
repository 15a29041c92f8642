"""The identity service as the source of persons."""

from siyu.identity.v1 import identity_service_pb2 as pb
from siyu.identity.v1.identity_service_pb2_grpc import IdentityServiceStub
from siyu.type.v1 import identifier_pb2
from siyu_kit.errors import DependencyDown, NotFound
from siyu_kit.rpc.channel import KitChannel
from siyu_kit.rpc.client import call
from siyu_touch.app.ports import Identifier, PersonOf

_MASKED = "***"


class GrpcPersons:
    """``ports.Persons`` over gRPC."""

    def __init__(self, channel: KitChannel) -> None:
        self._stub = IdentityServiceStub(channel)

    async def by_number(self, project_id: str, person_no: int) -> PersonOf:
        person = await self._get(pb.GetPersonRequest(project_id=project_id, person_no=person_no))
        if _MASKED in person.anchor.value:
            # Told under a mask, an event would make up a person. It is kept until we may see.
            raise DependencyDown(
                "DEPENDENCY_DOWN", "identity masks identifiers: identity.reveal is not granted"
            )
        return person

    async def by_identifier(self, project_id: str, identifier: Identifier) -> PersonOf:
        asked = identifier_pb2.Identifier(type=identifier.type, value=identifier.value)
        return await self._get(pb.GetPersonRequest(project_id=project_id, identifier=asked))

    async def _get(self, request: pb.GetPersonRequest) -> PersonOf:
        person = (await call(self._stub.GetPerson, request)).person
        if not person.identifiers:
            raise NotFound("PERSON_NOT_FOUND", "the person has no identifiers any more")
        anchor = person.identifiers[0].identifier
        return PersonOf(
            Identifier(anchor.type, anchor.value), [item.ident_no for item in person.identifiers]
        )
