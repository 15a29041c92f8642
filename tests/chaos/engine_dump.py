"""Reads a stopped analytics' event store, as a program of its own: engine_dump.py PATH.

The engine opens a path for one process, and stays open in it for ever.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from siyu_analytics.engine.chdb import ChdbEngine

QUESTIONS = {
    "events": "SELECT project_id, message_id, name, count() AS n FROM events"
    " GROUP BY project_id, message_id, name",
    "person_map": "SELECT project_id, ident_no, argMax(person_no, sequence) AS person_no"
    " FROM person_map GROUP BY project_id, ident_no",
    "traits": "SELECT project_id, person_no, trait, argMax(type, sequence) AS type,"
    " argMax(number_value, sequence) AS number, argMax(bool_value, sequence) AS truth"
    " FROM trait GROUP BY project_id, person_no, trait",
    "seen": "SELECT count() AS n, uniqExact(client_hour, message_hash) AS distinct FROM seen",
}


async def dump(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of every question."""
    engine = ChdbEngine(path)
    try:
        return {name: (await engine.query(sql, {})).to_pylist() for name, sql in QUESTIONS.items()}
    finally:
        await engine.aclose()


if __name__ == "__main__":
    json.dump(asyncio.run(dump(Path(sys.argv[1]))), sys.stdout)
