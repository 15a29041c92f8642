"""Identifier number -> person number, through the dictionaries of each project.

They hold only the identifiers whose person is not their own number. They are made when a project's
first question after its first merge comes, and what may have moved is read anew when a question
comes after something did: at most once a second, at once when the question asks for a sequence
that is not held yet. ``run`` makes the large layer anew, beside the questions.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from siyu_analytics.app.ports import Engine
from siyu_analytics.app.projection_ports import Progress
from siyu_analytics.store.person_layers import Layers
from siyu_kit.clock import Clock
from siyu_kit.concurrency import wait_for_event
from siyu_kit.errors import DomainError
from siyu_kit.log import get_logger

RELOAD_S: Final = 1.0
CROWD: Final = 1_000_000
"""Identifiers in the layer that is read anew; with more a large one is made below it. So many
take a few tenths of a second."""

_GRACE_S: Final = 300.0
"""Layers that were replaced stay so long: a statement that names them may still wait its turn."""
_LOOK_S: Final = 10.0
_log = get_logger(__name__)

_MOVED: Final = """
SELECT count() AS n FROM person_map WHERE project_id = {project_id:String} AND person_no != ident_no
"""
_ELEMENTS: Final = """
SELECT sum(element_count) AS n FROM system.dictionaries WHERE name = {name:String}
"""
_PERSONS: Final = "SELECT count() AS n FROM {population}"


@dataclass(slots=True)
class _Held:
    """What is known of one project's dictionaries."""

    sequence: int = 0
    moved: int = 0
    loaded_at: float = float("-inf")
    layers: Layers | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class EnginePersonMap:
    """``MutablePersonMap``."""

    def __init__(self, engine: Engine, clock: Clock, *, crowd: int = CROWD) -> None:
        self._engine = engine
        self._clock = clock
        self._crowd = crowd
        self._held: dict[str, _Held] = {}
        self._crowded: set[str] = set()
        self._wake = asyncio.Event()
        # bounded: the ones before the present ones, of each project
        self._replaced: list[tuple[float, Layers]] = []

    def expression(self, project_id: str, column: str) -> str:
        held = self._held.get(project_id)
        if held is None or held.layers is None:
            return column
        return held.layers.expression(column)

    def population(self, project_id: str) -> str:
        person = self.expression(project_id, "person_no")
        own = f" AND {person} = person_no" if person != "person_no" else ""
        return (
            f"(SELECT DISTINCT person_no FROM person WHERE project_id = {{project_id:String}}{own})"
        )

    async def persons(self, project_id: str) -> int:
        sql = _PERSONS.format(population=self.population(project_id))
        return await self._number(sql, project_id=project_id)

    async def refresh(self, project_id: str, progress: Progress, *, needed: int) -> int:
        if progress.identity_moved == 0:
            return progress.identity_sequence
        held = self._held.setdefault(project_id, _Held())
        async with held.turn:
            if held.moved < progress.identity_moved:
                due = self._clock.monotonic() - held.loaded_at >= RELOAD_S
                if not due and held.sequence >= needed:
                    return held.sequence
                await self._reload(project_id, held, progress.identity_sequence)
                held.moved = progress.identity_moved
            held.sequence = max(held.sequence, progress.identity_sequence)
            return held.sequence

    async def run(self) -> None:
        """Until cancelled: large layers are made anew, replaced ones dropped."""
        while True:
            await wait_for_event(self._wake, _LOOK_S)
            self._wake.clear()
            await self.tidy()

    async def tidy(self) -> None:
        """Once; what fails is tried again after the next reload."""
        try:
            await self._drop_replaced()
            while self._crowded:
                await self._rebase(self._crowded.pop())
        except DomainError as error:
            _log.warning("person_map_not_rebased", reason=error.reason)

    async def _reload(self, project_id: str, held: _Held, sequence: int) -> None:
        held.loaded_at = self._clock.monotonic()
        if held.layers is None:
            moved = await self._number(_MOVED, project_id=project_id)
            if not moved:
                return
            layers = Layers(project_id, sequence if moved > self._crowd else 0)
            await self._make(layers)
            held.layers = layers
        else:
            await self._load(held.layers.top)
        if await self._number(_ELEMENTS, name=held.layers.top) > self._crowd:
            self._crowded.add(project_id)
            self._wake.set()

    async def _rebase(self, project_id: str) -> None:
        """Put everything that is held now below, under names of its own, and go over to it."""
        held = self._held[project_id]
        before = held.layers
        if before is None or any(old.project_id == project_id for _, old in self._replaced):
            return
        layers = before.next(held.sequence)
        await self._make(layers)
        async with held.turn:
            # The ones before may have been read anew meanwhile: no question goes back.
            await self._load(layers.top)
            held.layers = layers
        self._replaced.append((self._clock.monotonic() + _GRACE_S, before))

    async def _drop_replaced(self) -> None:
        now = self._clock.monotonic()
        for due, layers in list(self._replaced):
            if due <= now:
                for name in reversed(layers.names):
                    await self._engine.command(f"DROP DICTIONARY IF EXISTS {name}")
                self._replaced.remove((due, layers))

    async def _make(self, layers: Layers) -> None:
        for name, definition in zip(layers.names, layers.definitions(), strict=True):
            await self._engine.command(definition)
            await self._load(name)

    async def _load(self, name: str) -> None:
        await self._engine.command(f"SYSTEM RELOAD DICTIONARY {name}")

    async def _number(self, sql: str, **bound: str) -> int:
        rows = await self._engine.query(sql, bound)
        return int(rows.column("n")[0].as_py() or 0)
