"""The upsert in openGauss's words: its grammar has no ``ON CONFLICT``.

Text only, held to a golden form; it has not been run against a server yet.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Table

from siyu_kit.sql.upsert import Merge, Update, as_merges

_MERGED: Final = {
    Merge.REPLACE: "EXCLUDED.{column}",
    Merge.LEAST: "LEAST({table}.{column}, EXCLUDED.{column})",
    Merge.GREATEST: "GREATEST({table}.{column}, EXCLUDED.{column})",
    Merge.ADD: "{table}.{column} + EXCLUDED.{column}",
}


def upsert_text(
    table: Table, columns: Sequence[str], rows: int, *, key: Sequence[str], update: Update = ()
) -> str:
    """The statement for ``rows`` rows with numbered parameters, row by row.

    The key is whatever unique index the row meets, so a table must have no other; columns of the
    key cannot be updated, and there is no RETURNING with it.
    """
    merges = as_merges(update)
    if forbidden := sorted(set(merges) & set(key)):
        raise ValueError(f"columns of the key cannot be updated: {', '.join(forbidden)}")
    width = len(columns)
    values = ", ".join(
        "(" + ", ".join(f"${row * width + at + 1}" for at in range(width)) + ")"
        for row in range(rows)
    )
    sets = ", ".join(
        f"{_quoted(name)} = "
        + _MERGED[merge].format(table=_quoted(table.name), column=_quoted(name))
        for name, merge in merges.items()
    )
    into = f"{_quoted(table.name)} ({', '.join(map(_quoted, columns))})"
    action = f"ON DUPLICATE KEY UPDATE {sets or 'NOTHING'}"
    return f"INSERT INTO {into} VALUES {values} {action}"  # noqa: S608 - names quoted, values bound


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
