"""Looking many keys up in one statement whose text never changes, on each database."""

import json
from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Integer, LargeBinary, Text, any_, func, literal, select
from sqlalchemy import tuple_ as row

from siyu_identity.domain.kruskal import Pair
from siyu_kit.sql.dialect import Dialect

BLOBS_A_STATEMENT = 5_000
"""SQLite has no array of blobs: each one is a parameter."""


def among(dialect: Dialect, column: Any, numbers: Collection[int]) -> ColumnElement[bool]:
    """``column`` is one of the numbers."""
    if dialect is Dialect.SQLITE:
        listed = func.json_each(literal(json.dumps(list(numbers)), Text)).table_valued("value")
        return column.in_(select(listed.c.value))  # type: ignore[no-any-return]
    return column == any_(literal(list(numbers), ARRAY(Integer)))  # type: ignore[no-any-return]


def among_bytes(dialect: Dialect, column: Any, values: Collection[bytes]) -> ColumnElement[bool]:
    """``column`` is one of the byte strings, BLOBS_A_STATEMENT at most."""
    if dialect is Dialect.SQLITE:
        return column.in_(list(values))  # type: ignore[no-any-return]
    return column == any_(literal(list(values), ARRAY(LargeBinary)))  # type: ignore[no-any-return]


def among_pairs(
    dialect: Dialect, left: Any, right: Any, pairs: Iterable[Pair]
) -> ColumnElement[bool]:
    """``(left, right)`` is one of the pairs."""
    listed = list(pairs)
    if dialect is Dialect.SQLITE:
        each = func.json_each(literal(json.dumps(listed), Text)).table_valued("value")
        ends = [func.json_extract(each.c.value, path) for path in ("$[0]", "$[1]")]
        return row(left, right).in_(select(*ends))
    columns = [literal([pair[end] for pair in listed], ARRAY(Integer)) for end in (0, 1)]
    each = func.unnest(*columns).table_valued("l", "r").render_derived()
    return row(left, right).in_(select(each.c.l, each.c.r))
