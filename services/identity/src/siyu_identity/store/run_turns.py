"""Lets one process at a time work on runs."""

from typing import Final

from siyu_identity.app.work_runs import WorkRuns
from siyu_kit.clock import Clock
from siyu_kit.sql.election import Election
from siyu_kit.sql.engine import Database
from siyu_kit.sql.leader import lead
from siyu_kit.sql.lease import Lease, Leases

_LEASE: Final = "identity.runs"


class RunTurns:
    """Works under a lease. Each step of a run holds by itself, so no step needs a fence."""

    def __init__(
        self, database: Database, work: WorkRuns, clock: Clock, leases: Election | None = None
    ) -> None:
        self._work = work
        self._clock = clock
        self._leases: Election = leases or Leases(database)

    async def run(self) -> None:
        """Until cancelled."""

        async def work(_held: Lease) -> None:
            await self._work.forever()

        await lead(self._leases, _LEASE, work, self._clock)
