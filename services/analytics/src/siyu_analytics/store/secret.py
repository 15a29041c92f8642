"""The key under which the engine hashes identifiers."""

import secrets

from sqlalchemy import select

from siyu_analytics.store.tables import EngineSecretRow
from siyu_kit.sql.engine import Database
from siyu_kit.sql.upsert import table_of, upsert

_table = table_of(EngineSecretRow)
_NAME = "subject"


async def subject_key(database: Database) -> tuple[int, int]:
    """Two 64-bit halves, made at the first start; whoever is first, all get the same.

    Were it lost, every subject would be asked of the identity service once more, nothing else.
    """
    async with database.transaction() as session:
        row = {"name": _NAME, "value": secrets.token_hex(16)}
        await upsert(session, _table, [row], key=["name"])
        value = await session.scalar(select(_table.c.value).where(_table.c.name == _NAME))
    text = str(value)
    return int(text[:16], 16), int(text[16:], 16)
