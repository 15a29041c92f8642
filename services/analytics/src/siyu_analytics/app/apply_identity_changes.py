"""Takes changes of the identity feed into the engine."""

from collections.abc import Sequence

from siyu_analytics.app.projection_ports import FeedMarks, IdentityChange, Projections
from siyu_analytics.app.recent_work import RecentWork
from siyu_kit.failpoints import failpoint


class ApplyIdentityChanges:
    """Rows carry their sequence, so that a batch applied twice changes no answer."""

    def __init__(
        self, projections: Projections, marks: FeedMarks, recent: RecentWork | None = None
    ) -> None:
        self._recent = recent or RecentWork()
        self._projections = projections
        self._marks = marks

    async def __call__(self, unit: object, changes: Sequence[IdentityChange]) -> None:
        """``unit`` is the transaction that moves the feed's position when this returns."""
        if not changes:
            return
        await self._projections.add_identity(changes)
        failpoint("projections.identity_stored")
        moved = {c.project_id: c.sequence for c in changes if changed_person(c)}
        await self._marks.moved(unit, moved)
        projects = {change.project_id for change in changes}
        self._recent.identity_applied(changes[0].sequence, projects)


def changed_person(change: IdentityChange) -> bool:
    """Whether the map has to be read anew: a new person of its own maps to itself anyway."""
    return change.from_person_no != 0 or change.person_no != change.ident_no
