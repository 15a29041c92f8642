"""The identity service as the one who knows who is who."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

from siyu.identity.v1 import identity_service_pb2 as pb
from siyu.identity.v1.identity_service_pb2_grpc import IdentityServiceStub
from siyu.type.v1 import identifier_pb2
from siyu_kit.errors import NotFound
from siyu_kit.rpc.channel import KitChannel
from siyu_kit.rpc.client import call
from siyu_profile.app.ports import Identifier, Resolution

_BATCH: Final = 5_000
_REMEMBERED: Final = 100_000
_TIMEOUT_S: Final = 10.0


class IdentityPersons:
    """``ports.Persons`` over gRPC. Numbers never change, so they are remembered.

    The person beside a remembered number is the one of that time: the feed knows better, and the
    store asks the feed's map first.
    """

    def __init__(self, channel: KitChannel) -> None:
        self._stub = IdentityServiceStub(channel)
        self._known: OrderedDict[tuple[str, Identifier], Resolution] = OrderedDict()

    async def number(
        self, project_id: str, identifiers: Sequence[Identifier]
    ) -> Mapping[Identifier, Resolution]:
        found: dict[Identifier, Resolution] = {}
        missing: list[Identifier] = []
        for identifier in identifiers:
            known = self._known.get((project_id, identifier))
            if known is None:
                missing.append(identifier)
            else:
                found[identifier] = known
        for start in range(0, len(missing), _BATCH):
            part = missing[start : start + _BATCH]
            found.update(await self._ask(project_id, part, create=True))
        return found

    async def find(self, project_id: str, identifier: Identifier) -> Resolution | None:
        known = self._known.get((project_id, identifier))
        if known is not None:
            return known
        return (await self._ask(project_id, [identifier], create=False)).get(identifier)

    async def find_by_id(self, project_id: str, person_id: str) -> int | None:
        request = pb.GetPersonRequest(project_id=project_id, person_id=person_id)
        try:
            response = await call(self._stub.GetPerson, request, timeout_s=_TIMEOUT_S)
        except NotFound:
            return None
        return response.person.person_no

    async def _ask(
        self, project_id: str, identifiers: Sequence[Identifier], *, create: bool
    ) -> dict[Identifier, Resolution]:
        request = pb.ResolveBatchRequest(
            project_id=project_id,
            identifiers=[
                identifier_pb2.Identifier(type=kind, value=value) for kind, value in identifiers
            ],
            create=create,
        )
        response = await call(self._stub.ResolveBatch, request, timeout_s=_TIMEOUT_S)
        answers: dict[Identifier, Resolution] = {}
        for identifier, found in zip(identifiers, response.resolutions, strict=True):
            if found.ident_no:
                answer = Resolution(found.ident_no, found.person_no, found.person_id)
                answers[identifier] = answer
                self._remember((project_id, identifier), answer)
        return answers

    def _remember(self, key: tuple[str, Identifier], answer: Resolution) -> None:
        self._known[key] = answer
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
