"""Identifier number -> person number, through the dictionaries of each project.

They hold only the identifiers whose person is not their own number, and say what held at one
sequence. New ones are made when a question comes after something moved: at most once a second, at
once when the question asks for a sequence that is not held yet. Those that nobody holds any more
are dropped. ``run`` makes the large layer anew, beside the questions.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from siyu_analytics.app.ports import Engine, PersonsAt
from siyu_analytics.app.projection_ports import Progress
from siyu_analytics.store.dictionaries import Dictionaries, Standing
from siyu_analytics.store.person_layers import Layers
from siyu_kit.clock import Clock
from siyu_kit.concurrency import wait_for_event
from siyu_kit.errors import DomainError
from siyu_kit.log import get_logger

RELOAD_S: Final = 1.0
CROWD: Final = 1_000_000
"""Identifiers in the layer that is made anew; with more a large one is made below it. So many
take a few tenths of a second."""
PAST: Final = 8
"""Maps of earlier sequences that are kept for the next question, of all projects together; of
those that are large arrays one."""

_LOOK_S: Final = 10.0
_log = get_logger(__name__)

_MOVED: Final = """
SELECT count() AS n FROM person_map
WHERE project_id = {project_id:String} AND person_no != ident_no AND sequence <= {upto:UInt64}
"""
_PERSONS: Final = "SELECT count() AS n FROM {population}"


@dataclass(slots=True)
class _Held:
    """What is known of one project."""

    sequence: int = 0
    """Up to here the standing layers say what holds."""
    since: int = 0
    """From here on they do: nothing moved between."""
    moved: int = 0
    loaded_at: float = float("-inf")
    standing: Standing | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    past_turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class EnginePersonMap:
    """``MutablePersonMap``."""

    def __init__(self, engine: Engine, clock: Clock, *, crowd: int = CROWD) -> None:
        self._engine = engine
        self._clock = clock
        self._crowd = crowd
        self._dictionaries = Dictionaries(engine)
        self._held: dict[str, _Held] = {}
        self._past: OrderedDict[tuple[str, int], Standing] = OrderedDict()
        self._large: tuple[str, int] = ("", 0)
        self._crowded: set[str] = set()
        self._wake = asyncio.Event()

    async def at(self, project_id: str, sequence: int) -> PersonsAt:
        held = self._held.get(project_id)
        if held is None or held.since <= sequence:
            return _persons_at(sequence, held.standing if held else None)
        async with held.past_turn:
            return _persons_at(sequence, await self._of_past(project_id, held, sequence))

    async def persons(self, project_id: str) -> int:
        held = self._held.get(project_id)
        now = await self.at(project_id, held.sequence if held else 2**62)
        sql = _PERSONS.format(population=now.population)
        return await self._number(sql, project_id=project_id)

    async def refresh(self, project_id: str, progress: Progress, *, needed: int) -> int:
        if progress.identity_moved == 0:
            return progress.identity_sequence
        held = self._held.get(project_id)
        if held is None:
            # Those of a process before this one, which nobody holds.
            await self._dictionaries.forget(project_id)
            held = self._held.setdefault(project_id, _Held())
        async with held.turn:
            if held.moved < progress.identity_moved:
                due = self._clock.monotonic() - held.loaded_at >= RELOAD_S
                if not due and held.sequence >= needed:
                    return held.sequence
                await self._reload(project_id, held, progress)
            held.sequence = max(held.sequence, progress.identity_sequence)
            return held.sequence

    async def run(self) -> None:
        """Until cancelled: large layers are made anew, dictionaries that nobody holds dropped."""
        while True:
            await wait_for_event(self._wake, _LOOK_S)
            self._wake.clear()
            await self.tidy()

    async def tidy(self) -> None:
        """Once; what fails is tried again after the next reload."""
        try:
            await self._dictionaries.drop_unheld()
            while self._crowded:
                await self._rebase(self._crowded.pop())
        except DomainError as error:
            _log.warning("person_map_not_rebased", reason=error.reason)

    async def _reload(self, project_id: str, held: _Held, progress: Progress) -> None:
        held.loaded_at = self._clock.monotonic()
        upto = progress.identity_sequence
        if held.standing is None:
            base = upto if await self._moved(project_id, upto) > self._crowd else 0
        else:
            base = held.standing.layers.base
        held.standing = await self._dictionaries.make(
            Layers(project_id, upto, base), shared=held.standing
        )
        held.since = held.moved = progress.identity_moved
        held.sequence = max(held.sequence, upto)
        if await self._dictionaries.elements(held.standing) > self._crowd:
            self._crowded.add(project_id)
        self._wake.set()

    async def _rebase(self, project_id: str) -> None:
        """Put everything that is held now below, and go over to it."""
        held = self._held[project_id]
        base = held.sequence
        below = await self._dictionaries.make(Layers(project_id, base, base))
        async with held.turn:
            # The ones before may have been made anew meanwhile: no question goes back.
            layers = Layers(project_id, held.sequence, base)
            held.standing = await self._dictionaries.make(layers, shared=below)

    async def _of_past(self, project_id: str, held: _Held, sequence: int) -> Standing:
        """The layers of an earlier sequence; over the same array as those of now if it is older."""
        key = (project_id, sequence)
        found = self._past.get(key)
        if found is None:
            now = held.standing
            base = now.layers.base if now and now.layers.base <= sequence else 0
            few = await self._moved(project_id, sequence) <= self._crowd
            layers = Layers(project_id, sequence, base, hashed=few)
            found = self._past[key] = await self._dictionaries.make(layers, shared=now)
            if not base and not few:  # hundreds of megabytes, so that there is one at most
                self._past.pop(self._large, None)
                self._large = key
        self._past.move_to_end(key)
        while len(self._past) > PAST:
            self._past.popitem(last=False)
        self._wake.set()
        return found

    async def _moved(self, project_id: str, upto: int) -> int:
        return await self._number(_MOVED, project_id=project_id, upto=upto)

    async def _number(self, sql: str, **bound: object) -> int:
        rows = await self._engine.query(sql, bound)
        return int(rows.column("n")[0].as_py() or 0)


def _persons_at(sequence: int, standing: Standing | None) -> PersonsAt:
    def person(column: str) -> str:
        return standing.layers.expression(column) if standing else column

    own = f" AND {person('person_no')} = person_no" if standing else ""
    population = (
        "(SELECT DISTINCT person_no FROM person WHERE project_id = {project_id:String}"
        f" AND sequence <= {sequence}{own})"
    )
    return PersonsAt(sequence, person("ident_no"), population, standing)
