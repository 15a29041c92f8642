"""The engine's dictionaries, each there as long as somebody holds what stands on it."""

import asyncio
import weakref
from collections import deque
from dataclasses import dataclass
from typing import Final

from siyu_analytics.app.ports import Engine
from siyu_analytics.store.person_layers import Layers, dictionary_name

_ELEMENTS: Final = """
SELECT sum(element_count) AS n FROM system.dictionaries WHERE name = {name:String}
"""
_OF_PROJECT: Final = """
SELECT name FROM system.dictionaries
WHERE database = currentDatabase() AND startsWith(name, {prefix:String})
"""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class _Dictionary:
    """One that was made."""

    name: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Layers that are made; whoever holds this may name them in a statement."""

    layers: Layers
    dictionaries: tuple[_Dictionary, ...]
    """The lower first, as in ``Layers.names``."""


class Dictionaries:
    """Makes them, and drops those that nobody holds any more."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._alive: weakref.WeakValueDictionary[str, _Dictionary] = weakref.WeakValueDictionary()
        # bounded: what was made since it was looked at last
        self._unheld: deque[str] = deque()
        self._making: set[str] = set()
        self._dropping: dict[str, asyncio.Event] = {}

    async def make(self, layers: Layers, *, shared: Standing | None = None) -> Standing:
        """Make what is not there yet; a large one below is taken over from ``shared``."""
        made = {item.name: item for item in shared.dictionaries} if shared else {}
        found = []
        for name, definition in zip(layers.names, layers.definitions(), strict=True):
            item = made.get(name) or self._alive.get(name)
            found.append(item or await self._made(name, definition))
        return Standing(layers, tuple(found))

    async def elements(self, standing: Standing) -> int:
        """Identifiers in the upper layer."""
        rows = await self._engine.query(_ELEMENTS, {"name": standing.layers.top})
        return int(rows.column("n")[0].as_py() or 0)

    async def drop_unheld(self) -> None:
        """Drop what nobody holds any more."""
        for _ in range(len(self._unheld)):
            await self._drop(self._unheld.popleft())

    async def forget(self, project_id: str) -> None:
        """Drop whatever there is of a project and not held here."""
        prefix = dictionary_name(project_id)
        rows = await self._engine.query(_OF_PROJECT, {"prefix": f"{prefix}_"})
        for name in rows.column("name").to_pylist() if rows.num_rows else ():
            await self._drop(name)

    async def _made(self, name: str, definition: str) -> _Dictionary:
        self._making.add(name)
        try:
            if (dropped := self._dropping.get(name)) is not None:
                await dropped.wait()
            await self._engine.command(definition)
            await self._engine.command(f"SYSTEM RELOAD DICTIONARY {name}")
            item = _Dictionary(name)
            self._alive[name] = item
            weakref.finalize(item, self._unheld.append, name)
            return item
        finally:
            self._making.discard(name)

    async def _drop(self, name: str) -> None:
        """Unless it was made again meanwhile, or is, or somebody drops it already."""
        if name in self._alive or name in self._making or name in self._dropping:
            return
        dropped = self._dropping[name] = asyncio.Event()
        try:
            await self._engine.command(f"DROP DICTIONARY IF EXISTS {name}")
        except BaseException:
            self._unheld.append(name)
            raise
        finally:
            del self._dropping[name]
            dropped.set()
