"""Python client: one channel per service, a stub for each, tokens renewed by themselves."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import grpc

from siyu.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from siyu.collect.v1.collect_service_pb2_grpc import CollectServiceStub
from siyu.identity.v1.identity_service_pb2_grpc import IdentityServiceStub
from siyu.profile.v1.profile_service_pb2_grpc import ProfileServiceStub
from siyu.segment.v1.segment_service_pb2_grpc import SegmentServiceStub
from siyu.touch.v1.touch_service_pb2_grpc import TouchServiceStub
from siyu_kit.auth import TokenSource
from siyu_kit.rpc.client import call, connect
from siyu_kit.rpc.tls import CertificateSource

__all__ = ["SiyuClient", "call"]


class SiyuClient:
    """Stubs of all services. Use as an async context manager, inside one event loop.

    ``targets`` maps a service's name to its gRPC target. Calls go through
    ``call(stub.Method, request)``, which adds a deadline and raises ``siyu_kit.errors``.
    """

    def __init__(
        self,
        targets: Mapping[str, str],
        tokens: TokenSource,
        *,
        certificates: CertificateSource | None = None,
    ) -> None:
        """``certificates``: of ``siyu_kit.rpc.tls.certificates``, where the services want TLS."""
        self._channels: dict[str, grpc.aio.Channel] = {
            name: connect(target, tokens=tokens, credentials=certificates)
            for name, target in targets.items()
        }
        self.collect = CollectServiceStub(self._channels["collect"])
        self.identity = IdentityServiceStub(self._channels["identity"])
        self.analytics = AnalyticsServiceStub(self._channels["analytics"])
        self.profile = ProfileServiceStub(self._channels["profile"])
        self.segment = SegmentServiceStub(self._channels["segment"])
        self.touch = TouchServiceStub(self._channels["touch"])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for channel in self._channels.values():
            await channel.close()
