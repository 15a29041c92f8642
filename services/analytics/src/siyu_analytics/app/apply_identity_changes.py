"""Takes changes of the identity feed into the engine."""

from collections.abc import Sequence

from siyu_analytics.app.projection_ports import FeedMarks, IdentityChange, Projections


class ApplyIdentityChanges:
    """Rows carry their sequence, so that a batch applied twice changes no answer."""

    def __init__(self, projections: Projections, marks: FeedMarks) -> None:
        self._projections = projections
        self._marks = marks

    async def __call__(self, unit: object, changes: Sequence[IdentityChange]) -> None:
        """``unit`` is the transaction that moves the feed's position when this returns."""
        if not changes:
            return
        await self._projections.add_identity(changes)
        moved = {c.project_id: c.sequence for c in changes if changed_person(c)}
        await self._marks.moved(unit, moved)


def changed_person(change: IdentityChange) -> bool:
    """Whether the map has to be read anew: a new person of its own maps to itself anyway."""
    return change.from_person_no != 0 or change.person_no != change.ident_no
