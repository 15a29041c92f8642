"""The PostgreSQL engine: bounded pool, bounded statements, bounded idle transactions, dead peers.

A cancelled task ends its statement: the driver sends a cancel request and the connection is closed.
Where the request comes too early or is lost, the server finds the connection closed and stops.

The server's own limits do not help when its answer never comes: a statement is bounded on this
side too, and a peer that is gone without a word is noticed by TCP. The server is told to look for
us in the same way: a host that is lost between a statement and the end of its message leaves a
transaction that none of the server's limits ends, with its locks.
"""

import socket
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import event
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from siyu_kit.errors import DependencyDown
from siyu_kit.sql.sql_errors import BROKEN

ANSWER_S: Final = 5.0
"""How much longer than the server's own limit of a statement its answer may take."""
_DEAD_PEER: Final = {
    socket.TCP_KEEPIDLE: 3,
    socket.TCP_KEEPINTVL: 2,
    socket.TCP_KEEPCNT: 3,
    socket.TCP_USER_TIMEOUT: 8_000,
}
"""A peer that acknowledges nothing for some 8 s is dead (seconds, seconds, probes, ms)."""
_CLOSE_S: Final = 0.1
_LOOK_FOR_CLIENT_MS: Final = 200
_LOOKS_FROM: Final = (14,)
"""The server version that can look whether its client is still there."""


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    """Waits for its server less long when it is given up: whoever waits for it has left."""

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the driver's
        await super().close(timeout=None if timeout is None else min(timeout, _CLOSE_S))


def postgresql_engine(
    url: URL,
    pool_size: int,
    statement_timeout_s: float,
    idle_in_transaction_s: float,
    connect_timeout_s: float,
) -> AsyncEngine:
    """An engine over asyncpg; idle transactions end because they would hold the outbox back."""
    settings = {
        "statement_timeout": str(int(statement_timeout_s * 1000)),
        "idle_in_transaction_session_timeout": str(int(idle_in_transaction_s * 1000)),
        "tcp_keepalives_idle": str(_DEAD_PEER[socket.TCP_KEEPIDLE]),
        "tcp_keepalives_interval": str(_DEAD_PEER[socket.TCP_KEEPINTVL]),
        "tcp_keepalives_count": str(_DEAD_PEER[socket.TCP_KEEPCNT]),
        "application_name": "siyu",
        "timezone": "UTC",
    }
    engine = create_async_engine(
        url.set(drivername="postgresql+asyncpg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_recycle=1800,
        hide_parameters=True,  # its errors end in logs
        connect_args={
            "timeout": connect_timeout_s,
            "command_timeout": statement_timeout_s + ANSWER_S,
            "server_settings": settings,
            "connection_class": _Connection,
        },
    )
    event.listen(engine.sync_engine, "connect", _look_for_client)
    event.listen(engine.sync_engine, "connect", _notice_dead_peers)
    event.listen(engine.sync_engine, "handle_error", _discard_broken)
    return engine


def _look_for_client(connection: Any, _record: Any) -> None:
    connection.run_async(_set_client_check)


async def _set_client_check(connection: Any) -> None:
    if connection.get_server_version() >= _LOOKS_FROM:
        await connection.execute(f"SET client_connection_check_interval = {_LOOK_FOR_CLIENT_MS}")


def _notice_dead_peers(connection: Any, _record: Any) -> None:
    raw = connection.driver_connection._transport.get_extra_info("socket")  # noqa: SLF001
    if raw is None or raw.family == socket.AF_UNIX:
        return
    # A duplicate: what the event loop hands out does not take options.
    with socket.fromfd(raw.fileno(), raw.family, socket.SOCK_STREAM) as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, setting in _DEAD_PEER.items():
            own.setsockopt(socket.IPPROTO_TCP, option, setting)


def _discard_broken(context: ExceptionContext) -> DependencyDown | None:
    """Never use a connection again whose driver has lost the thread; what it lost is not ours.

    Back in the pool it would carry the remains of a transaction into the next one.
    """
    error = context.original_exception
    cause = error.__cause__ or error
    # The driver's DataError is of this family too, and about a value alone.
    if not isinstance(cause, BROKEN) or isinstance(cause, ValueError):
        return None
    context.is_disconnect = True
    context.invalidate_pool_on_disconnect = False
    if context.sqlalchemy_exception is not None:
        return None  # ``surfaced`` knows what an invalidated connection means
    return DependencyDown("DATABASE_DOWN", f"database: {type(cause).__name__}", sqlstate="")
