"""The gRPC server of a service: limits, health, reflection, graceful drain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from siyu_kit.audit.trail import AuditTrail
from siyu_kit.auth.tokens import TokenVerifier
from siyu_kit.health import LIVENESS, READINESS
from siyu_kit.limits.admission import Admission, AdmissionBounds
from siyu_kit.rpc.handlers import MethodPipeline, RequestReader, wrapped
from siyu_kit.telemetry import DISABLED, Telemetry

_SERVING: Final = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING
_LEAVING_S: Final = 0.5
"""Enough for clients to hear that they are not wanted any more."""

KEEPALIVE_TIME_MS: Final = 30_000
"""Clients ping this often; the server tolerates three times as often."""


class Servicer(NamedTuple):
    """A generated ``add_XServicer_to_server`` with the object that serves it."""

    add: Callable[[Any, Any], None]
    implementation: Any
    readers: Mapping[str, RequestReader] = MappingProxyType({})
    """What makes the requests of a method, by its name; the message's own parser where none is."""


@dataclass(frozen=True, kw_only=True)
class ServerLimits:
    """What one server takes on."""

    max_concurrent_rpcs: int = 1024
    """Calls held at once, with those that wait, streams and health watches; gRPC refuses more.

    The last resort: ``admission`` refuses before, with a reason and a time to come again.
    """
    admission: AdmissionBounds = field(default_factory=AdmissionBounds)
    """How many of them are served at once, and how many wait."""
    max_receive_bytes: int = 4 * 1024 * 1024
    """Largest request message."""
    default_deadline_s: float = 30.0
    """Given to a unary call that comes without a deadline."""
    stream_deadline_s: float = 3600.0
    """Given to a streaming call that comes without a deadline."""
    max_connection_age_s: float = 300.0
    """Clients reconnect after this, and find new replicas."""


class RpcServer:
    """A grpc.aio server whose every method passes the access rules of its contract."""

    def __init__(
        self,
        *,
        verifier: TokenVerifier,
        telemetry: Telemetry = DISABLED,
        limits: ServerLimits | None = None,
        admission: Admission | None = None,
        reflection: bool = False,
        trail: AuditTrail | None = None,
    ) -> None:
        self._verifier = verifier
        self._trail = trail
        self._telemetry = telemetry
        self._limits = limits or ServerLimits()
        self._admission = admission or Admission(bounds=self._limits.admission)
        self._reflection = reflection
        self._service_names: list[str] = []
        self.ready = False
        """What balancers and probes were told last."""
        self._health = health.aio.HealthServicer()
        self._server = grpc.aio.server(
            maximum_concurrent_rpcs=self._limits.max_concurrent_rpcs,
            options=_options(self._limits),
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    def add(self, servicer: Servicer) -> None:
        """Serve a servicer.

        Raises PolicyMissingError when a method declares no access rule, and TypeError for a reader
        of a method that the service has not.
        """
        registrar = _Registrar(partial(self._add_handlers, servicer.readers))
        servicer.add(servicer.implementation, registrar)

    def _add_handlers(
        self,
        readers: Mapping[str, RequestReader],
        service: str,
        handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]],
    ) -> None:
        if unknown := readers.keys() - handlers.keys():
            raise TypeError(f"{service} has no method {min(unknown)} to read requests for")
        served = {
            name: self._wrap(f"{service}/{name}", item, readers.get(name))
            for name, item in handlers.items()
        }
        generic = grpc.method_handlers_generic_handler(service, served)
        self._server.add_generic_rpc_handlers((generic,))
        self._server.add_registered_method_handlers(service, served)
        self._service_names.append(service)

    def _wrap(
        self,
        method: str,
        handler: grpc.RpcMethodHandler[Any, Any],
        reader: RequestReader | None,
    ) -> grpc.RpcMethodHandler[Any, Any]:
        streaming = handler.request_streaming or handler.response_streaming
        limits = self._limits
        pipeline = MethodPipeline(
            method,
            handler,
            verifier=self._verifier,
            telemetry=self._telemetry,
            admission=self._admission,
            default_deadline_s=limits.stream_deadline_s if streaming else limits.default_deadline_s,
            reader=reader,
            trail=self._trail,
        )
        return wrapped(pipeline, handler)

    async def start(self, listen: str, credentials: grpc.ServerCredentials | None = None) -> int:
        """Bind and serve, not yet ready; the bound port (RuntimeError when it is taken)."""
        if self._reflection:
            names = (*self._service_names, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self._server)
        if credentials is None:
            port = self._server.add_insecure_port(listen)
        else:
            port = self._server.add_secure_port(listen, credentials)
        await self._health.set(LIVENESS, _SERVING)
        await self.set_ready(ready=False)
        await self._server.start()
        return port

    async def set_ready(self, *, ready: bool) -> None:
        """Tell probes (``readiness``) and clients (``""``) whether calls are wanted."""
        self.ready = ready
        state = _SERVING if ready else _NOT_SERVING
        await self._health.set(READINESS, state)
        await self._health.set("", state)

    async def drain(self, *, delay_s: float, grace_s: float) -> None:
        """Stop in order: not ready, let balancers notice, finish the calls in flight.

        Clients that hold a connection are served for nearly all of the delay. They ask for a
        name's addresses when a connection ends, so that told at once they would leave this server
        for those they know, of which the next may be on its way out as well. Told at the end, no
        call of theirs meets the server's stop.
        """
        self.ready = False
        await self._health.set(READINESS, _NOT_SERVING)
        await asyncio.sleep(max(0.0, delay_s - _LEAVING_S))
        await self.set_ready(ready=False)
        await asyncio.sleep(min(delay_s, _LEAVING_S))
        await self.stop(grace_s)

    async def stop(self, grace_s: float) -> None:
        """Take no new calls, give those in flight ``grace_s``, cut what is left."""
        await self._server.stop(grace_s)


class _Registrar:
    """Stands in for a server while generated code registers its handlers."""

    def __init__(
        self, receive: Callable[[str, Mapping[str, grpc.RpcMethodHandler[Any, Any]]], None]
    ) -> None:
        self._receive = receive

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        """The same handlers come again, by name, through the method below."""

    def add_registered_method_handlers(
        self, service: str, handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        self._receive(service, handlers)


def _options(limits: ServerLimits) -> list[tuple[str, int]]:
    return [
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", limits.max_receive_bytes),
        ("grpc.max_connection_age_ms", round(limits.max_connection_age_s * 1000)),
        ("grpc.max_connection_age_grace_ms", 30_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", KEEPALIVE_TIME_MS // 3),
        ("grpc.keepalive_permit_without_calls", 1),
    ]
