"""The versions of each project's policy, and the one that holds."""

import json
from typing import Final

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_identity.domain.policy import IdTypePolicy
from siyu_identity.domain.policy_body import policy_body, policy_of
from siyu_identity.domain.presets import BROKER
from siyu_identity.store.tables import CounterRow, PolicyRow
from siyu_kit.errors import NotFound
from siyu_kit.sql.upsert import table_of, upsert

ACTIVE: Final = "policy"
_policy = table_of(PolicyRow).c
_counter = table_of(CounterRow).c


class PolicyBook:
    """Reads and adds versions. A version never changes, so it is read once."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, int], IdTypePolicy] = {}

    async def active(self, session: AsyncSession, project_id: str) -> IdTypePolicy:
        """The version that holds now."""
        version = await session.scalar(
            select(_counter.value).where(_counter.project_id == project_id, _counter.name == ACTIVE)
        )
        return BROKER if version is None else await self.version(session, project_id, version)

    async def version(self, session: AsyncSession, project_id: str, version: int) -> IdTypePolicy:
        """One version; raises NotFound (POLICY_UNKNOWN)."""
        if version == BROKER.version:
            return BROKER
        known = self._read.get((project_id, version))
        if known is not None:
            return known
        body = await session.scalar(
            select(_policy.body).where(_policy.project_id == project_id, _policy.version == version)
        )
        if body is None:
            raise NotFound(
                "POLICY_UNKNOWN", "the project has no such version", version=str(version)
            )
        policy = self._read[project_id, version] = policy_of(version, json.loads(body))
        return policy

    async def add(
        self, session: AsyncSession, project_id: str, policy: IdTypePolicy, now_ms: int
    ) -> int:
        """Keep a new version; its number. The caller holds the lock on the project's numbers."""
        last = await session.scalar(
            select(func.max(_policy.version)).where(_policy.project_id == project_id)
        )
        version = (last or BROKER.version) + 1
        row = {
            "project_id": project_id,
            "version": version,
            "body": json.dumps(policy_body(policy), ensure_ascii=False, sort_keys=True),
            "created_ms": now_ms,
        }
        await session.execute(insert(PolicyRow), [row])
        return version

    async def activate(self, session: AsyncSession, project_id: str, version: int) -> None:
        """Make a version hold. The caller holds the lock on the project's numbers."""
        row = {"project_id": project_id, "name": ACTIVE, "value": version}
        await upsert(session, CounterRow, [row], key=["project_id", "name"], update=["value"])
