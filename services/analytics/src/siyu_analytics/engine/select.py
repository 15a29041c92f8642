"""A SELECT on its way to a client: how long it may run, what it may read, what comes back."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from siyu_analytics.engine.failures import reads_too_many_rows
from siyu_analytics.engine.statements import estimate, rows_of, with_settings
from siyu_kit.errors import DeadlineExceeded


class TooManyRowsError(Exception):
    """A statement would read more rows than it was given."""


@dataclass(frozen=True, slots=True)
class Select:
    """A SELECT and until when it may run, on the monotonic clock."""

    sql: str
    parameters: dict[str, object]
    mark: str
    ends: float

    def read(self, client: Any, settings: Mapping[str, object] | None = None) -> pa.Table:
        """The whole answer."""
        return self._ask(client, self.sql, settings or {})

    def read_within(self, most_rows: int, client: Any) -> pa.Table:
        """The answer. Raises TooManyRowsError if it takes more rows than that.

        The engine tells so while it plans, before it reads: a light statement pays nothing for
        being weighed. Only what several tables come to it may find out while it reads them.
        """
        from clickhouse_connect.driver.exceptions import DatabaseError

        try:
            return self._ask(client, self.sql, {"max_rows_to_read": most_rows})
        except DatabaseError as error:
            if reads_too_many_rows(error):
                raise TooManyRowsError from error
            raise

    def rows(self, client: Any) -> int:
        """How many it would read."""
        return rows_of(self._ask(client, estimate(self.sql), {}).to_pylist())

    def _ask(self, client: Any, sql: str, settings: Mapping[str, object]) -> pa.Table:
        own: dict[str, object] = {"log_comment": self.mark, **settings}
        if self.ends < math.inf:
            left_s = math.ceil((self.ends - time.monotonic()) * 10) / 10
            if left_s <= 0:
                raise DeadlineExceeded("DEADLINE_EXCEEDED", "no time is left", method="query")
            own["max_execution_time"] = left_s
        text = with_settings(sql, own)
        return table_of(client.raw_query(text, parameters=self.parameters, fmt="ArrowStream"))


def table_of(raw: bytes) -> pa.Table:
    """The rows of an answer in ArrowStream."""
    # The engine sends nothing at all for an answer without rows and columns.
    return pa.ipc.open_stream(raw).read_all() if raw else pa.table({})
