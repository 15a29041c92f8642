"""Identifier number -> person number, through one dictionary a project.

The dictionary holds only the identifiers whose person is not their own number, in a FLAT array
(4 to 18 % on a funnel; hashed and joined forms cost more). It is made when a project's first
question after its first merge comes, and read anew when a question comes after something moved:
at most once a second, at once when the question asks for a sequence that it does not hold yet.
"""

import asyncio
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from siyu_analytics.app.ports import Engine
from siyu_analytics.app.projection_ports import Progress
from siyu_kit.clock import Clock

RELOAD_S: Final = 1.0

_ANY_MOVED: Final = """
SELECT count() AS n FROM (
  SELECT 1 FROM person_map WHERE project_id = {project_id:String} AND person_no != ident_no LIMIT 1)
"""
# The project stands in the text as hexadecimal digits: a dictionary's source binds nothing.
_CREATE: Final = """
CREATE OR REPLACE DICTIONARY {name} (ident_no UInt64, person_no UInt32 DEFAULT 0)
PRIMARY KEY ident_no
SOURCE(CLICKHOUSE(QUERY '
  SELECT toUInt64(m.ident_no) AS ident_no, argMax(m.person_no, m.sequence) AS person_no
  FROM person_map AS m WHERE project_id = unhex(''{project}'')
  GROUP BY m.ident_no HAVING person_no != m.ident_no'))
LAYOUT(FLAT(INITIAL_ARRAY_SIZE 1024 MAX_ARRAY_SIZE 200000000))
LIFETIME(0)
"""
_PERSONS: Final = "SELECT count() AS n FROM {population}"


@dataclass(slots=True)
class _Held:
    """What is known of one project's dictionary."""

    sequence: int = 0
    moved: int = 0
    loaded_at: float = float("-inf")
    exists: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class EnginePersonMap:
    """``MutablePersonMap``."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._held: dict[str, _Held] = {}

    def expression(self, project_id: str, column: str) -> str:
        held = self._held.get(project_id)
        if held is None or not held.exists:
            return column
        name = dictionary_name(project_id)
        return f"dictGetOrDefault('{name}', 'person_no', toUInt64({column}), {column})"

    def population(self, project_id: str) -> str:
        person = self.expression(project_id, "person_no")
        own = f" AND {person} = person_no" if person != "person_no" else ""
        return (
            f"(SELECT DISTINCT person_no FROM person WHERE project_id = {{project_id:String}}{own})"
        )

    async def persons(self, project_id: str) -> int:
        sql = _PERSONS.format(population=self.population(project_id))
        rows = await self._engine.query(sql, {"project_id": project_id})
        return int(rows.column("n")[0].as_py())

    async def refresh(self, project_id: str, progress: Progress, *, needed: int) -> int:
        if progress.identity_moved == 0:
            return progress.identity_sequence
        held = self._held.setdefault(project_id, _Held())
        async with held.turn:
            if held.moved < progress.identity_moved:
                due = self._clock.monotonic() - held.loaded_at >= RELOAD_S
                if not due and held.sequence >= needed:
                    return held.sequence
                await self._reload(project_id, held)
                held.moved = progress.identity_moved
            held.sequence = max(held.sequence, progress.identity_sequence)
            return held.sequence

    async def _reload(self, project_id: str, held: _Held) -> None:
        held.loaded_at = self._clock.monotonic()
        name = dictionary_name(project_id)
        if held.exists:
            await self._engine.command(f"SYSTEM RELOAD DICTIONARY {name}")
            return
        rows = await self._engine.query(_ANY_MOVED, {"project_id": project_id})
        if rows.column("n")[0].as_py():
            project = project_id.encode().hex()
            await self._engine.command(_CREATE.format(name=name, project=project))
            await self._engine.command(f"SYSTEM RELOAD DICTIONARY {name}")
            held.exists = True


def dictionary_name(project_id: str) -> str:
    """The name of a project's dictionary: an identifier, whatever the project is called."""
    return "persons_" + sha256(project_id.encode()).hexdigest()[:24]
