"""Takes changes of the profile feed into the engine."""

from collections.abc import Sequence

from siyu_analytics.app.projection_ports import ProfileChange, Projections
from siyu_analytics.app.recent_work import RecentWork
from siyu_kit.failpoints import failpoint


class ApplyProfileChanges:
    """Rows carry their sequence, so that a batch applied twice changes no answer."""

    def __init__(self, projections: Projections, recent: RecentWork | None = None) -> None:
        self._recent = recent or RecentWork()
        self._projections = projections

    async def __call__(self, changes: Sequence[ProfileChange]) -> None:
        if changes:
            await self._projections.add_profile(changes)
            failpoint("projections.profile_stored")
            projects = {change.project_id for change in changes}
            self._recent.profile_applied(changes[0].sequence, projects)
