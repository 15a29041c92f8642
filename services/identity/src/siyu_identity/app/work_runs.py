"""Works on runs, one after the other."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Final, Protocol

from siyu_identity.app.desk import Desk, Desks
from siyu_identity.app.transact import transact
from siyu_identity.app.weave import restate
from siyu_identity.domain.ident import Flag
from siyu_identity.domain.policy import IdTypePolicy
from siyu_identity.domain.policy_body import policy_of
from siyu_identity.domain.run import Run, RunKind, RunState
from siyu_identity.domain.world import World
from siyu_kit.clock import Clock
from siyu_kit.errors import DomainError
from siyu_kit.log import get_logger

_log = get_logger(__name__)
_CHUNK: Final = 200
_IDLE_S: Final = 1.0


class Survey(Protocol):
    """Reads whole projects."""

    async def pending(self) -> tuple[str, Run] | None:
        """The project and the run to work on; None when all are done."""
        ...

    async def policy(self, project_id: str) -> IdTypePolicy:
        """The policy that holds."""
        ...

    async def world(self, project_id: str) -> World:
        """Everything, as it stands at one moment."""
        ...

    async def blocked(self, project_id: str, policy: IdTypePolicy) -> set[int]:
        """The numbers of identifiers on a policy's block-list."""
        ...


class WorkRuns:
    """One process at a time; a run that was interrupted goes on, or starts over."""

    def __init__(self, desks: Desks, survey: Survey, clock: Clock) -> None:
        self._desks = desks
        self._survey = survey
        self._clock = clock

    async def forever(self) -> None:
        """Until cancelled."""
        while True:
            if not await self.step():
                await self._clock.sleep(_IDLE_S)

    async def step(self) -> bool:
        """Work on the oldest run to its end; False when there is none."""
        found = await self._survey.pending()
        if found is None:
            return False
        project_id, run = found
        try:
            if run.kind is RunKind.POLICY:
                await self._sweep(project_id, run)
            else:
                await self._stitch(project_id, run)
        except DomainError as error:
            _log.warning("run_failed", project_id=project_id, run_id=run.run_id)
            await self._put(project_id, replace(run, state=RunState.FAILED, error=error.reason))
        return True

    async def _stitch(self, project_id: str, run: Run) -> None:
        """From the evidence alone; nothing is written but what was found."""
        world = await self._survey.world(project_id)
        total = world.last
        await self._put(project_id, replace(run, total=total))
        blocked: set[int] = set()
        if run.policy is None:
            policy = await self._survey.policy(project_id)
        else:
            policy = policy_of(0, run.policy)
            blocked = await self._survey.blocked(project_id, policy)
            # Under the policy that is tried, the flags of the one that holds say nothing.
            world.flags = bytearray(flag & ~Flag.BLOCKED for flag in world.flags)

        def work() -> Mapping[str, Any]:
            from siyu_identity.domain.comparison import compare
            from siyu_identity.domain.restitch import restitch

            return asdict(compare(world, restitch(world, policy, blocked)))

        found = await asyncio.to_thread(work)
        await self._put(
            project_id,
            replace(run, state=RunState.SUCCEEDED, done=total, total=total, found=found,
                    policy_version=policy.version),
        )  # fmt: skip

    async def _sweep(self, project_id: str, run: Run) -> None:
        """Look at every identifier again under the policy that holds, some in a transaction."""

        async def work(desk: Desk) -> Run:
            now = await desk.runs.get(run.run_id)
            total = now.total or await desk.graph.last_number()
            numbers = range(now.done + 1, min(now.done + _CHUNK, total) + 1)
            if numbers:
                await _review(desk, numbers)
            done = now.done + len(numbers)
            state = RunState.SUCCEEDED if done >= total else RunState.RUNNING
            after = replace(
                now, done=done, total=total, state=state, updated_ms=self._clock.now_ms()
            )
            await desk.runs.put(after)
            return after

        state = RunState.RUNNING
        while state is RunState.RUNNING:
            state = (await transact(self._desks, self._clock, project_id, work)).state

    async def _put(self, project_id: str, run: Run) -> None:
        async def work(desk: Desk) -> None:
            await desk.runs.put(replace(run, updated_ms=self._clock.now_ms()))

        await transact(self._desks, self._clock, project_id, work)


async def _review(desk: Desk, numbers: range) -> None:
    policy = await desk.graph.policy()
    await desk.ledger.block(numbers, policy)
    await restate(desk.graph, {}, set(numbers))
