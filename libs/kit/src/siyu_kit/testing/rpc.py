"""In-process servers for tests: a real grpc.aio server and channel over a unix socket."""

import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from siyu_kit.audit.trail import AuditTrail
from siyu_kit.auth import FixedToken, TokenIssuer, TokenVerifier
from siyu_kit.limits.admission import Admission
from siyu_kit.rpc.channel import KitChannel
from siyu_kit.rpc.client import connect
from siyu_kit.rpc.server import RpcServer, ServerLimits, Servicer
from siyu_kit.telemetry import DISABLED, Telemetry

_KEY = Ed25519PrivateKey.generate()
ISSUER = TokenIssuer(_KEY)
"""Mints tokens that the test servers accept."""

VERIFIER = TokenVerifier([_KEY.public_key()])
"""Accepts the tokens of ISSUER."""


def token(
    *roles: str, projects: Iterable[str] = ("*",), subject: str = "user:test", lifetime_s: int = 300
) -> str:
    """A token of the test issuer."""
    return ISSUER.mint(subject, roles, projects, lifetime_s=lifetime_s)


@dataclass
class ServedRpc:
    """A running server and the means to call it."""

    server: RpcServer
    target: str
    telemetry: Telemetry
    admission: Admission
    channels: list[KitChannel]

    def channel(
        self, *roles: str, projects: Iterable[str] = ("*",), with_token: str | None = None
    ) -> KitChannel:
        """A channel that calls as somebody with these roles (default: ``admin``)."""
        given = token(*(roles or ("admin",)), projects=projects)
        return self._open(given if with_token is None else with_token)

    def anonymous(self) -> KitChannel:
        """A channel that sends no token."""
        return self._open(None)

    def _open(self, given: str | None) -> KitChannel:
        tokens = None if given is None else FixedToken(given)
        channel = connect(self.target, tokens, self.telemetry)
        self.channels.append(channel)
        return channel


@asynccontextmanager
async def serve(
    *servicers: Servicer,
    telemetry: Telemetry = DISABLED,
    limits: ServerLimits | None = None,
    admission: Admission | None = None,
    trail: AuditTrail | None = None,
) -> AsyncIterator[ServedRpc]:
    """Serve the servicers until the block ends: everything real but the network.

    ``async with serve(Servicer(add_XServicer_to_server, impl)) as served:``
    ``    stub = XServiceStub(served.channel("analyst", projects=["demo"]))``
    """
    admission = admission or Admission(bounds=(limits or ServerLimits()).admission)
    server = RpcServer(
        verifier=VERIFIER, telemetry=telemetry, limits=limits, admission=admission, trail=trail
    )
    for servicer in servicers:
        server.add(servicer)
    with tempfile.TemporaryDirectory(prefix="siyu-rpc-") as directory:
        target = f"unix:{Path(directory) / 'grpc.sock'}"
        await server.start(target)
        await server.set_ready(ready=True)
        served = ServedRpc(server, target, telemetry, admission, [])
        try:
            yield served
        finally:
            for channel in served.channels:
                await channel.close()
            await server.stop(0)
