"""The person map at scale: memory, reload and what a question pays, for so many identifiers.

Usage: person_map_scale.py IDENTIFIERS [EVENTS]. Two thirds of the identifiers belong to another
one's person. Measured on the product's own tables and engine, in this process: one FLAT dictionary,
made in any order and in the order of the table; layers, an array for what was and a small
dictionary over it for what moved since; and a join. ``reload_s`` is what a fresh question waits
for, a factor the time of a question over that of the same one with persons that are computed
instead of looked up. Prints JSON.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Final

import psutil

from siyu_analytics.engine.chdb import ChdbEngine, Limits
from siyu_analytics.store.person_layers import Layers
from siyu_analytics.store.schema import statements
from siyu_kit.errors import DomainError

PROJECT: Final = "p"
MOVED: Final = 1_000
"""Identifiers that move before a fresh question is asked."""
RUNS: Final = 3

_FILL: Final = """
INSERT INTO person_map SELECT '{project}', number + 1, intDiv(number, 3) * 3 + 1, number + 1
FROM numbers({count})
"""
_MOVE: Final = """
INSERT INTO person_map SELECT '{project}', 3 * number + 3, 1, {count} + number + 1
FROM numbers({moved})
"""
_EVENTS: Final = """
INSERT INTO events (project_id, name, ident_no, time, message_id, received_time, batch_no)
SELECT '{project}', if(number % 2, 'done', 'entry'), 1 + rand64(number) % {count},
  toDateTime64('2026-01-01', 3, 'UTC') + rand(number + 1) % 7776000, toString(number),
  now64(3), 1 FROM numbers({events})
"""
# The same persons without a look-up: fewer of them than identifiers, which alone makes a question
# faster.
_COMPUTED: Final = "toUInt32(intDiv(ident_no - 1, 3) * 3 + 1)"
_IN_ORDER: Final = "SETTINGS optimize_aggregation_in_order = 1"
_QUESTIONS: Final = {
    "uniq": "SELECT uniqExact({person}) AS n FROM {source}",
    "funnel": """
        SELECT countIf(level = 2) AS n FROM (
          SELECT windowFunnel(86400)(toDateTime(time), name = 'entry', name = 'done') AS level
          FROM {source} GROUP BY {person})""",
}
_JOINED: Final = """
(SELECT e.name AS name, e.time AS time, if(m.person_no = 0, e.ident_no, m.person_no) AS person
 FROM events AS e LEFT ANY JOIN (
   SELECT ident_no, argMax(person_no, sequence) AS person_no FROM person_map
   WHERE project_id = '{project}' GROUP BY ident_no HAVING person_no != ident_no) AS m
 ON e.ident_no = m.ident_no WHERE e.project_id = '{project}')
"""


class Scale:
    """One project of so many identifiers."""

    def __init__(self, engine: ChdbEngine, count: int, events: int) -> None:
        self._engine, self._count, self._events = engine, count, events
        self.found: dict[str, object] = {"identifiers": count, "events": events}

    async def run(self) -> None:
        """All of it."""
        await self._fill()
        await self._ask("computed", _COMPUTED, "events")
        last = self._count + MOVED
        one = Layers(PROJECT, last)
        (text,) = one.definitions()
        await self._dictionary("flat_any_order", one, [text.replace(_IN_ORDER, "")])
        await self._dictionary("flat", one, [text])
        two = Layers(PROJECT, last, self._count)
        await self._dictionary("layers", two, two.definitions())
        await self._joined()

    async def _fill(self) -> None:
        for text in statements(0):
            await self._engine.command(text)
        values = {"project": PROJECT, "count": self._count, "events": self._events, "moved": MOVED}
        for text in (_FILL, _EVENTS):
            await self._engine.command(text.format(**values))
        await self._engine.command("OPTIMIZE TABLE person_map FINAL")
        await self._engine.command("OPTIMIZE TABLE events FINAL")
        await self._engine.command(_MOVE.format(**values))

    async def _dictionary(self, form: str, layers: Layers, definitions: list[str]) -> None:
        """Make it, then read the part anew that a fresh question waits for."""
        before, first = _rss(), 0.0
        for name, text in zip(layers.names, definitions, strict=True):
            await self._engine.command(text)
            first += await self._reload(name)
        times = [await self._reload(layers.top) for _ in range(RUNS)]
        self.found[form] = {
            "first_load_s": round(first, 3),
            "reload_s": median(times),
            "dictionaries_mb": [await self._allocated(name) for name in layers.names],
            "process_mb": _rss() - before,
            "peak_mb": _peak(),
        }
        await self._ask(form, layers.expression("ident_no"), "events")

    async def _joined(self) -> None:
        self.found["join"] = {}
        try:
            await self._ask("join", "person", _JOINED.format(project=PROJECT))
        except DomainError as error:
            self.found["join"] = f"{error.reason}: {error.message}"

    async def _ask(self, form: str, person: str, source: str) -> None:
        """Seconds of each question, and the factor over the one that looks nothing up."""
        told = self.found.setdefault(form, {})
        for name, text in _QUESTIONS.items():
            sql, times = text.format(person=person, source=source), []
            for _ in range(RUNS):
                started = time.perf_counter()
                await self._engine.query(sql, {})
                times.append(time.perf_counter() - started)
            told[f"{name}_s"] = round(min(times), 3)
            base = self.found["computed"][f"{name}_s"]
            told[f"{name}_factor"] = round(min(times) / base, 2)

    async def _reload(self, name: str) -> float:
        started = time.perf_counter()
        await self._engine.command(f"SYSTEM RELOAD DICTIONARY {name}")
        return round(time.perf_counter() - started, 3)

    async def _allocated(self, name: str) -> float:
        sql = "SELECT bytes_allocated AS n FROM system.dictionaries WHERE name = {name:String}"
        rows = await self._engine.query(sql, {"name": name})
        return round(rows.column("n")[0].as_py() / 1e6, 1)


def _rss() -> float:
    return round(psutil.Process().memory_info().rss / 1e6)


def _peak() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)


async def main(count: int, events: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="siyu-bench-") as folder:
        # The service's bounds are for a machine with other services on it.
        engine = ChdbEngine(
            Path(folder) / "engine",
            Limits(threads=2, server_memory=12_000_000_000, query_memory=8_000_000_000,
                   timeout_s=600),
        )  # fmt: skip
        scale = Scale(engine, count, events)
        try:
            await scale.run()
        finally:
            print(json.dumps(scale.found, indent=2))
            await engine.aclose()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10_000_000))
