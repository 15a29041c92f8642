"""Settings of the analytics service."""

import os
from dataclasses import dataclass

from siyu_analytics.engine.address import server_of
from siyu_kit.config import CommonConfig, Secret, setting


@dataclass(frozen=True, kw_only=True)
class AnalyticsConfig(CommonConfig):
    """Common settings, the peer that numbers identifiers, and the engine's bounds."""

    identity_target: str = setting("SIYU_IDENTITY_TARGET", doc="host:port or dns:///name:port")
    profile_target: str = setting(
        "SIYU_PROFILE_TARGET", doc="host:port or dns:///name:port; asked to close gaps of its feed"
    )
    key: Secret = setting(
        "SIYU_ANALYTICS_KEY",
        default=Secret(""),
        doc="signs page tokens; replicas share it",
    )
    engine_url: Secret = setting(
        "SIYU_ANALYTICS_ENGINE_URL",
        default=Secret(""),
        doc="ClickHouse server, http[s]://user:password@host:port/database; default: chDB, inside",
    )
    engine_memory: int = setting(
        "SIYU_ANALYTICS_ENGINE_MEMORY", default=6_000_000_000, doc="bytes the engine may take"
    )
    query_memory: int = setting(
        "SIYU_ANALYTICS_QUERY_MEMORY", default=3_000_000_000, doc="bytes one query may take"
    )
    query_threads: int = setting(
        "SIYU_ANALYTICS_QUERY_THREADS",
        default=lambda: max(2, os.cpu_count() or 1),
        doc="queries at once, more wait; default: as many as cores",
    )
    heavy_queries: int = setting(
        "SIYU_ANALYTICS_HEAVY_QUERIES",
        default=lambda: max(1, (os.cpu_count() or 1) // 2),
        doc="heavy statements at once, beside the light ones; default: half as many as cores",
    )
    light_rows: int = setting(
        "SIYU_ANALYTICS_LIGHT_ROWS",
        default=2_000_000,
        doc="a statement that reads more rows is heavy; 0: none is",
    )
    most_rows: int = setting(
        "SIYU_ANALYTICS_MOST_ROWS",
        default=1_000_000_000,
        doc="a statement that would read more rows is refused; 0: none is",
    )
    query_timeout_s: float = setting(
        "SIYU_ANALYTICS_QUERY_TIMEOUT_S", default=60.0, doc="longest query"
    )
    cache_bytes: int = setting(
        "SIYU_ANALYTICS_CACHE_BYTES",
        default=64_000_000,
        doc="answers that are kept for who asks the same on the same state; 0: none",
    )
    duplicate_window_days: int = setting(
        "SIYU_ANALYTICS_DUPLICATE_WINDOW_DAYS",
        default=0,
        doc="how long a stored event is known, so that it is dropped when sent again; 0: for ever",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.engine_url:
            server_of(self.engine_url)
        memory = min(self.engine_memory, self.query_memory)
        if min(memory, self.query_threads, self.heavy_queries) < 1:
            raise ValueError("SIYU_ANALYTICS_ENGINE_MEMORY and its like must be positive")
        if min(self.light_rows, self.most_rows) < 0:
            raise ValueError("SIYU_ANALYTICS_LIGHT_ROWS, SIYU_ANALYTICS_MOST_ROWS: not negative")
        if self.cache_bytes < 0:
            raise ValueError("SIYU_ANALYTICS_CACHE_BYTES: must not be negative")
        if self.duplicate_window_days < 0:
            raise ValueError("SIYU_ANALYTICS_DUPLICATE_WINDOW_DAYS: must not be negative")
