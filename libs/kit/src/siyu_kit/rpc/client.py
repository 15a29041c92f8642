"""Calling other services: one channel per peer, typed calls, domain errors back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar, overload

import grpc
from grpc import aio

from siyu_kit.auth.source import TokenSource
from siyu_kit.errors import DependencyDown
from siyu_kit.rpc.channel import KitChannel
from siyu_kit.rpc.renewal import RenewedChannel
from siyu_kit.rpc.server import KEEPALIVE_TIME_MS
from siyu_kit.rpc.service_config import service_config
from siyu_kit.rpc.status import from_rpc_error
from siyu_kit.rpc.tls import CertificateSource
from siyu_kit.telemetry import Telemetry, active

Q = TypeVar("Q")
R = TypeVar("R")

_BALANCED: Final = ("dns:", "ipv4:", "ipv6:")
_MAX_RECEIVE: Final = 16 * 1024 * 1024


def connect(
    target: str,
    tokens: TokenSource | None = None,
    telemetry: Telemetry | None = None,
    *,
    credentials: grpc.ChannelCredentials | CertificateSource | None = None,
) -> KitChannel:
    """Open the channel of a peer.

    ``target`` is ``host:port`` or ``unix:/path``; ``dns:///name:port`` and ``ipv4:a:1,b:2`` are
    balanced over the addresses that are ready.
    Make one per target and process, inside the running loop, and close it at the end. It connects
    when first used and reconnects within seconds. Every call gets the own token, the trace
    context, and a deadline that fits into the one of the call being served. With a source of
    certificates, calls go over a new connection once those have changed.
    """
    options: list[tuple[str, Any]] = [
        ("grpc.service_config", service_config(balanced=target.startswith(_BALANCED))),
        ("grpc.enable_retries", 1),
        ("grpc.keepalive_time_ms", KEEPALIVE_TIME_MS),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.initial_reconnect_backoff_ms", 100),
        # Whatever its name says: how long one attempt may take, handshakes included. A peer with
        # much to do is slow to say hello, and an attempt given up too soon is a failed call.
        ("grpc.min_reconnect_backoff_ms", 3_000),
        ("grpc.max_reconnect_backoff_ms", 3_000),
        # gRPC would ask for a name's addresses every 30 s at most, which is when an address fails.
        # A rollout ends its second pod sooner after its first.
        ("grpc.dns_min_time_between_resolutions_ms", 500),
        ("grpc.max_receive_message_length", _MAX_RECEIVE),
    ]
    channel: aio.Channel | RenewedChannel
    if credentials is None:
        channel = aio.insecure_channel(target, options)
    elif isinstance(credentials, grpc.ChannelCredentials):
        channel = aio.secure_channel(target, credentials, options)
    else:
        channel = RenewedChannel(
            credentials, lambda found: aio.secure_channel(target, found.for_channel(), options)
        )
    return KitChannel(channel, tokens, telemetry or active())


@overload
async def call(
    method: aio.UnaryUnaryMultiCallable[Q, R], request: Q, *, timeout_s: float | None = None
) -> R: ...
@overload
async def call(
    method: aio.StreamUnaryMultiCallable[Q, R],
    request: AsyncIterable[Q],
    *,
    timeout_s: float | None = None,
) -> R: ...
async def call(method: Any, request: Any, *, timeout_s: float | None = None) -> Any:
    """Call ``stub.Method`` with a request (or an iterator of them) and await its one response.

    Raises the DomainError that the peer raised; DependencyDown when it cannot be reached and
    DeadlineExceeded when it does not answer in time. ``timeout_s`` defaults to 30 for a unary
    call, and never outlasts the deadline of the call being served.
    """
    try:
        return await method(request, timeout=timeout_s)
    except aio.AioRpcError as error:
        raise from_rpc_error(error) from error
    except asyncio.CancelledError:
        raise_if_call_lost()
        raise


@asynccontextmanager
async def stream(
    method: aio.UnaryStreamMultiCallable[Q, R], request: Q, *, timeout_s: float | None = None
) -> AsyncIterator[AsyncIterator[R]]:
    """Read a response stream; leaving the block ends the call. Errors as in ``call``.

    ``async with stream(stub.Watch, request) as messages: async for message in messages: ...``
    (Breaking out of a bare response stream would leave the call running.)
    """
    responses: Any = method(request, timeout=timeout_s)
    try:
        yield _messages(responses)
    finally:
        responses.cancel()


async def _messages(responses: Any) -> AsyncIterator[Any]:
    try:
        async for message in responses:
            yield message
    except aio.AioRpcError as error:
        raise from_rpc_error(error) from error
    except asyncio.CancelledError:
        raise_if_call_lost()
        raise


def raise_if_call_lost() -> None:
    """A call cut by its channel looks like a cancelled task; raise DependencyDown if it is not."""
    task = asyncio.current_task()
    if task is not None and not task.cancelling():
        raise DependencyDown("DEPENDENCY_DOWN", "the connection was closed during the call")
