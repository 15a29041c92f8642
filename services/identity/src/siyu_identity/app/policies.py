"""Gives policies, and starts the runs that follow from them."""

from collections.abc import Mapping
from typing import Any, Protocol

from siyu_identity.app.desk import Desk, Desks
from siyu_identity.app.transact import transact
from siyu_identity.domain.policy import IdTypePolicy
from siyu_identity.domain.presets import PRESETS
from siyu_identity.domain.run import Run, RunKind
from siyu_kit.clock import Clock
from siyu_kit.errors import NotFound
from siyu_kit.ids import new_id


class Policies(Protocol):
    """Where policies are kept."""

    async def get(self, project_id: str, version: int | None) -> IdTypePolicy:
        """A version, or the one that holds; raises NotFound (POLICY_UNKNOWN)."""
        ...


def preset(name: str) -> IdTypePolicy:
    """A policy by name; raises NotFound (POLICY_UNKNOWN)."""
    found = PRESETS.get(name)
    if found is None:
        raise NotFound("POLICY_UNKNOWN", "there is no such preset", preset=name[:64])
    return found


class Runs:
    """Starts and shows runs."""

    def __init__(self, desks: Desks, clock: Clock) -> None:
        self._desks = desks
        self._clock = clock

    async def start(
        self,
        project_id: str,
        request_id: str,
        kind: RunKind,
        policy: Mapping[str, Any] | None = None,
    ) -> Run:
        """A run to be worked on; a repeated request gives the first one's."""
        now_ms = self._clock.now_ms()
        run = Run(new_id(), kind, now_ms, now_ms, policy=policy)
        content = f"{kind}:{policy}".encode()

        async def work(desk: Desk) -> Run:
            return await desk.runs.start(run, request_id, content)

        return await transact(self._desks, self._clock, project_id, work)

    async def get(self, project_id: str, run_id: str) -> Run:
        """One run; raises NotFound (RUN_UNKNOWN)."""
        async with self._desks.snapshot(project_id) as desk:
            return await desk.runs.get(run_id)
