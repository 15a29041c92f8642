"""chDB behind the engine port: one path a process, one connection a thread, never forked.

The connection string bounds the whole server; each statement has its own limits on top. Importing
chDB takes a second and 230 MB, so it happens when the first engine opens.
"""

import contextlib
from pathlib import Path
from typing import Any

from siyu_analytics.engine.pooled import Limits, PooledEngine
from siyu_analytics.engine.statements import session_of

__all__ = ["ChdbEngine", "Limits"]

_ASKED, _ANSWERED, _ASKED_TIMES = "SELECT 1", b"1\n", 3


class ChdbEngine(PooledEngine):
    """An ``Engine``. Several may be open on the same path, so that writes never wait for reads."""

    def __init__(self, path: Path, limits: Limits | None = None, *, name: str = "engine") -> None:
        super().__init__(limits, name=name)
        self._path = path

    @property
    def path(self) -> Path:
        """Where its tables lie."""
        return self._path

    def _is_fit(self, client: Any) -> bool:
        """Ask what has a known answer.

        What a statement that broke off had written already comes before the next one's answer, and
        would be read in its place; the one after that is right again.
        """
        with contextlib.suppress(Exception):
            return any(client.raw_query(_ASKED) == _ANSWERED for _ in range(_ASKED_TIMES))
        return False

    def _open(self) -> Any:
        import clickhouse_connect

        self._path.mkdir(parents=True, exist_ok=True)
        options = {
            "max_server_memory_usage": self._limits.server_memory,
            "async_insert": 0,
            "background_pool_size": 2,
            "background_schedule_pool_size": 4,
            "background_common_pool_size": 2,
            "mark_cache_size": 67_108_864,
            "uncompressed_cache_size": 0,
            # The engine keeps schemas that it is given as text in files below this.
            "format_schema_path": str(self._path / "format_schemas"),
        }
        client = clickhouse_connect.get_client(
            interface="chdb", path=str(self._path), chdb_options=options
        )
        for key, value in session_of(self._limits.query_memory).items():
            client.set_client_setting(key, value)
        return client
