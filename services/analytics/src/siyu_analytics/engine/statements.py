"""The texts that are put around a statement, the same for every transport.

A statement is known by its mark, the engine's ``log_comment``: a comment in the text would not
outlive the binding of values, which writes the text anew.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from siyu_analytics.domain.progress import Reading

HEAVY: Final[Mapping[str, object]] = {
    # While it reads it stands still as long as anything with a smaller number runs, but takes a
    # block of rows in every 100 ms, so that it ends however much there is of that. What it does
    # after reading knows no such rule: there it has one thread, and half of the cores are free.
    "priority": 2,
    "low_priority_query_wait_time_ms": 100,
    "max_threads": 1,
}
ORDINARY: Final[Mapping[str, object]] = {"priority": 1}

_SESSION: Final[Mapping[str, object]] = {
    **ORDINARY,
    # Two cores are shared with the other services.
    "max_threads": 2,
    "max_insert_threads": 1,
    # An import may bring a month at a time; a batch must still be one insert.
    "max_partitions_per_insert_block": 0,
    "max_bytes_before_external_group_by": 1_000_000_000,
    "max_bytes_before_external_sort": 1_000_000_000,
    "output_format_arrow_string_as_string": 1,
    "output_format_arrow_low_cardinality_as_dictionary": 0,
}

PROCESSES: Final = (
    "SELECT Settings['log_comment'] AS mark, read_rows, total_rows_approx, read_bytes, elapsed"
    " FROM system.processes WHERE Settings['log_comment'] != ''"
)
KILL: Final = "KILL QUERY WHERE Settings['log_comment'] = '{mark}' ASYNC"
"""``mark`` is hexadecimal."""


def session_of(query_memory: int) -> dict[str, object]:
    """What holds for every statement of a connection."""
    return {**_SESSION, "max_memory_usage": query_memory}


def with_settings(sql: str, settings: Mapping[str, object]) -> str:
    """The SELECT with settings of its own; names and values are ours, not a caller's."""
    clause = ", ".join(f"{name} = {_literal(value)}" for name, value in settings.items())
    return f"{sql}\nSETTINGS {clause}"


def estimate(sql: str) -> str:
    """What tells how much a SELECT would read, without reading it."""
    return f"EXPLAIN ESTIMATE {sql}"


def rows_of(estimated: Sequence[Mapping[str, Any]]) -> int:
    """Rows over all tables of an estimate."""
    return sum(int(row["rows"]) for row in estimated)


def readings_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Reading]:
    """By mark."""
    return {
        str(row["mark"]): Reading(
            rows=int(row["read_rows"]),
            rows_total=int(row["total_rows_approx"]),
            size=int(row["read_bytes"]),
            elapsed_s=float(row["elapsed"]),
        )
        for row in rows
    }


def _literal(value: object) -> str:
    if isinstance(value, int | float):
        return str(value)
    text = str(value)
    if not text.isalnum():
        raise ValueError("a setting is a number or a word")
    return f"'{text}'"
