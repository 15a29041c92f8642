"""The statements as text: what is sent to databases this machine does not have."""

import pytest
from sqlalchemy.dialects import postgresql, sqlite

from siyu_kit.sql.dialect import Dialect
from siyu_kit.sql.opengauss import upsert_text
from siyu_kit.sql.tables import feed, lease
from siyu_kit.sql.upsert import Merge, upsert_statement

KEY = ["topic", "partition"]
SQLITE_LEAST = (
    "min(coalesce(kit_feed.sequence, excluded.sequence),"
    " coalesce(excluded.sequence, kit_feed.sequence))"
)
COLUMNS = [*KEY, "sequence", "published"]


def test_opengauss_leaves_existing_rows_alone() -> None:
    assert upsert_text(lease, ["name", "epoch"], 2, key=["name"]) == (
        'INSERT INTO "kit_lease" ("name", "epoch") VALUES ($1, $2), ($3, $4)'
        " ON DUPLICATE KEY UPDATE NOTHING"
    )


def test_opengauss_merges_columns() -> None:
    merges = {"sequence": Merge.GREATEST, "published": Merge.ADD}
    assert upsert_text(feed, COLUMNS, 1, key=KEY, update=merges) == (
        'INSERT INTO "kit_feed" ("topic", "partition", "sequence", "published")'
        " VALUES ($1, $2, $3, $4) ON DUPLICATE KEY UPDATE"
        ' "sequence" = GREATEST("kit_feed"."sequence", EXCLUDED."sequence"),'
        ' "published" = "kit_feed"."published" + EXCLUDED."published"'
    )


def test_opengauss_cannot_update_its_key() -> None:
    with pytest.raises(ValueError, match="topic"):
        upsert_text(feed, COLUMNS, 1, key=KEY, update=["topic"])


@pytest.mark.parametrize(
    ("dialect", "compiler", "least"),
    [
        (Dialect.POSTGRESQL, postgresql.dialect(), "least(kit_feed.sequence, excluded.sequence)"),
        (
            Dialect.SQLITE,
            sqlite.dialect(),
            SQLITE_LEAST,
        ),
    ],
)
def test_both_others_name_the_key(dialect: Dialect, compiler, least: str) -> None:
    statement = upsert_statement(dialect, feed, key=KEY, update={"sequence": Merge.LEAST})
    text = " ".join(str(statement.compile(dialect=compiler)).split())
    assert "ON CONFLICT (topic, partition) DO UPDATE SET sequence = " + least in text
