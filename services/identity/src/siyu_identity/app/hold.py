"""Locks components while they may be changing under us."""

from collections.abc import Iterable
from typing import Final

from siyu_identity.app.ports import Graph
from siyu_identity.domain.ident import Ident
from siyu_kit.errors import Conflict

_ROUNDS: Final = 5


async def hold(graph: Graph, ends: Iterable[Ident]) -> dict[int, Ident]:
    """Lock the components of these identifiers; all members, as they stand under the lock.

    Raises Conflict when they keep moving.
    """
    touched = {ident.no: ident for ident in ends}
    fresh = {no: ident for no, ident in touched.items() if ident.new}
    old = touched.keys() - fresh.keys()
    components = {touched[no].place.component for no in old}
    held: dict[int, Ident] = {}
    for _ in range(_ROUNDS):
        held |= await graph.hold(components)
        if old <= held.keys():
            return held | fresh
        # Somebody merged or split them before we had the lock.
        moved = await graph.numbered(old - held.keys())
        components = {ident.place.component for ident in moved.values()}
    raise Conflict("GRAPH_CONTENDED", "the identifiers keep moving; send it again")
