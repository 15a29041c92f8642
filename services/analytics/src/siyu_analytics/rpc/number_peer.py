"""The identity service as the giver of numbers."""

from collections.abc import Sequence
from typing import Final

from siyu.identity.v1.identity_service_pb2 import ResolveBatchRequest
from siyu.identity.v1.identity_service_pb2_grpc import IdentityServiceStub
from siyu.type.v1.identifier_pb2 import Identifier
from siyu_analytics.app.sink_ports import Subject
from siyu_kit.rpc.channel import KitChannel
from siyu_kit.rpc.client import call

MAX_IDENTIFIERS: Final = 5_000
"""Of one ResolveBatch call."""


class IdentityNumbers:
    """``Numbers`` over the contract."""

    def __init__(self, channel: KitChannel, timeout_s: float = 30.0) -> None:
        self._stub = IdentityServiceStub(channel)
        self._timeout_s = timeout_s

    async def assign(
        self, project_id: str, subjects: Sequence[Subject]
    ) -> list[tuple[Subject, int]]:
        numbers: list[tuple[Subject, int]] = []
        for chunk in _chunks(subjects):
            request = ResolveBatchRequest(
                project_id=project_id,
                identifiers=[Identifier(type=s.type, value=s.value) for s in chunk],
                create=True,
            )
            answer = await call(self._stub.ResolveBatch, request, timeout_s=self._timeout_s)
            numbers += [
                (subject, resolution.ident_no)
                for subject, resolution in zip(chunk, answer.resolutions, strict=True)
                if resolution.ident_no
            ]
        return numbers


def _chunks(subjects: Sequence[Subject]) -> list[Sequence[Subject]]:
    starts = range(0, len(subjects), MAX_IDENTIFIERS)
    return [subjects[start : start + MAX_IDENTIFIERS] for start in starts]
