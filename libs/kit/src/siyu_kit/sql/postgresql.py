"""The PostgreSQL engine: bounded pool, bounded statements, bounded idle transactions."""

from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine


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
        "application_name": "siyu",
        "timezone": "UTC",
    }
    return create_async_engine(
        url.set(drivername="postgresql+asyncpg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_recycle=1800,
        connect_args={"timeout": connect_timeout_s, "server_settings": settings},
    )
