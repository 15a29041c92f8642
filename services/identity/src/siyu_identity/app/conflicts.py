"""Lists what does not link, and why."""

from typing import Final, NamedTuple, Protocol

from siyu_identity.app.explain import Known
from siyu_identity.domain.kruskal import Pair
from siyu_identity.domain.verdict import Judged

FIRST: Final[Pair] = (0, 0)


class Quarantined(NamedTuple):
    """An identifier that links nobody, and how many it has live links to."""

    node: Known
    neighbours: int
    owners: int


class Refused(NamedTuple):
    """A link that was turned down."""

    link: Judged
    left: Known
    right: Known


class Conflicts(Protocol):
    """Where conflicts are kept."""

    async def quarantined(self, project_id: str, after: int, limit: int) -> list[Quarantined]:
        """In the order of their numbers, those after one."""
        ...

    async def refused(self, project_id: str, after: Pair, limit: int) -> list[Refused]:
        """In the order of their numbers, those after a pair."""
        ...


class Cursor(NamedTuple):
    """Where a list goes on: first those in quarantine, then refused links."""

    quarantined_after: int = 0
    in_links: bool = False
    refused_after: Pair = FIRST


class ConflictPage(NamedTuple):
    """A page of the list."""

    items: list[Quarantined | Refused]
    next: Cursor | None


class ListConflicts:
    """Pages over both kinds."""

    def __init__(self, conflicts: Conflicts) -> None:
        self._conflicts = conflicts

    async def __call__(self, project_id: str, cursor: Cursor, limit: int) -> ConflictPage:
        """Up to ``limit`` items from the cursor on."""
        items: list[Quarantined | Refused] = []
        if not cursor.in_links:
            held = await self._conflicts.quarantined(project_id, cursor.quarantined_after, limit)
            items.extend(held)
            if len(held) == limit:
                return ConflictPage(items, Cursor(held[-1].node.ident.no))
        room = limit - len(items)
        refused = await self._conflicts.refused(project_id, cursor.refused_after, room)
        items.extend(refused)
        if len(refused) < room:
            return ConflictPage(items, None)
        return ConflictPage(items, Cursor(in_links=True, refused_after=refused[-1].link.pair))
