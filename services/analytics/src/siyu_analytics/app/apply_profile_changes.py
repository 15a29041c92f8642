"""Takes changes of the profile feed into the engine."""

from collections.abc import Sequence

from siyu_analytics.app.projection_ports import ProfileChange, Projections


class ApplyProfileChanges:
    """Rows carry their sequence, so that a batch applied twice changes no answer."""

    def __init__(self, projections: Projections) -> None:
        self._projections = projections

    async def __call__(self, changes: Sequence[ProfileChange]) -> None:
        if changes:
            await self._projections.add_profile(changes)
