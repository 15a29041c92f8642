"""A ClickHouse server behind the engine port, by its HTTP interface.

Everything is as with chDB but the place: settings travel with each request, a statement is known by
its mark and stopped by KILL. The server's own memory is the server's business, that of one
statement is set here. Each thread has a client; they share the driver's connections.
"""

import math
from typing import Any, Final

from siyu_analytics.engine.address import Server
from siyu_analytics.engine.pooled import Limits, PooledEngine
from siyu_analytics.engine.statements import session_of

_CONNECT_S: Final = 5
_LONGEST_WRITE_S: Final = 3_600


class ServerEngine(PooledEngine):
    """An ``Engine``."""

    def __init__(
        self, server: Server, limits: Limits | None = None, *, name: str = "engine"
    ) -> None:
        super().__init__(limits, name=name)
        self._server = server

    def _open(self) -> Any:
        import clickhouse_connect

        server, longest_s = self._server, self._limits.timeout_s or _LONGEST_WRITE_S
        return clickhouse_connect.get_client(
            interface=server.scheme,
            host=server.host,
            port=server.port,
            username=server.user,
            password=server.password.reveal(),
            database=server.database,
            settings=session_of(self._limits.query_memory),
            # No session: the server would refuse a second statement of one while the first runs.
            autogenerate_session_id=False,
            query_retries=0,
            connect_timeout=_CONNECT_S,
            # The server ends a statement by itself; this is for one that does not answer.
            send_receive_timeout=math.ceil(longest_s + _CONNECT_S),
        )
