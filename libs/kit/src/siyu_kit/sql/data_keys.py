"""Data keys in a service's database: made, loaded, changed, destroyed.

There is none until the first is asked for: until then values are sealed as releases before data
keys did, who can go on beside this one. A version seals only from ``active_ms`` on, well after it
was made, and every process loads the keys more often than that: whoever reads a value knows its
key. The keeper then seals anew what older versions sealed, and notes when nothing of them is left.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit.clock import Clock, SystemClock
from siyu_kit.concurrency import run_together
from siyu_kit.crypto.envelope import KEY_BYTES, LEGACY, DataKeys, MasterKeys
from siyu_kit.errors import DependencyDown, NotFound, PreconditionFailed
from siyu_kit.log import get_logger
from siyu_kit.sql.engine import Database
from siyu_kit.sql.leader import lead
from siyu_kit.sql.lease import Lease, Leases
from siyu_kit.sql.tables import data_key

logger = get_logger(__name__)

RELOAD_S: Final = 5.0
ACTIVATION_MS: Final = 30_000
_LEASE: Final = "kit.data_keys"
_PAGE: Final = 500
_c = data_key.c

Cursor = tuple[Any, ...]
"""The key of the last row that was looked at."""

Reseal = Callable[[AsyncSession, Cursor | None, int], Awaitable[tuple[Cursor | None, int]]]
"""Seals anew what an older key sealed among the next rows of one table.

Takes the cursor before and how many rows, gives the cursor after (None at the end) and how many
values it changed. It changes a value only if that is still what it read.
"""


@dataclass(frozen=True)
class KeyState:
    """What may be told of a data key."""

    version: int
    created_ms: int
    active_ms: int
    swept_ms: int
    """When nothing was left that an older version sealed; 0: not yet."""
    destroyed_ms: int


class KeyKeeper:
    """Keeps the data keys of one service; ``keys`` is what its ciphers use."""

    def __init__(
        self,
        database: Database,
        masters: MasterKeys,
        sweeps: Sequence[Reseal] = (),
        clock: Clock | None = None,
        *,
        activation_ms: int = ACTIVATION_MS,
    ) -> None:
        self.keys = DataKeys()
        self._database = database
        self._masters = masters
        self._sweeps = tuple(sweeps)
        self._clock = clock or SystemClock()
        self._activation_ms = activation_ms

    def add(self, *sweeps: Reseal) -> None:
        """What else has to be sealed anew; before the keeper runs."""
        self._sweeps += sweeps

    async def load(self) -> None:
        """Load the keys, and wrap by the newest master what an older one wrapped.

        Raises DataLoss when a key's master is not configured.
        """
        await self.reload()
        await self._rewrap()

    async def reload(self) -> None:
        """Load what others may have changed."""
        async with self._database.session() as session:
            rows = (await session.execute(select(data_key).order_by(_c.version))).all()
        keys = {
            row.version: self._masters.unwrap(row.version, row.wrapped)
            for row in rows
            if row.wrapped
        }
        now = self._clock.now_ms()
        used = [row.version for row in rows if row.active_ms <= now]
        self.keys.replace(keys, max(used, default=LEGACY))

    async def rotate(self) -> KeyState:
        """Make a new version. Raises PreconditionFailed while the one before is not yet used."""
        now = self._clock.now_ms()
        async with self._database.transaction() as session:
            states = await _states(session, lock=True)
            last = states[-1].version if states else LEGACY
            if states and states[-1].active_ms > now:
                raise PreconditionFailed(
                    "KEY_ROTATING", "the newest key is not used yet", version=str(last)
                )
            row = self._row(last + 1, now + self._activation_ms)
            await session.execute(insert(data_key), [row])
        await self.reload()
        logger.info("data_key_made", version=last + 1)
        return (await self.states())[-1]

    async def destroy(self, version: int) -> KeyState:
        """Destroy an old key for ever. Raises NotFound, or PreconditionFailed while it is used."""
        async with self._database.transaction() as session:
            states = await _states(session, lock=True)
            found = next((state for state in states if state.version == version), None)
            if found is None:
                raise NotFound("KEY_UNKNOWN", "there is no such key", version=str(version))
            if not any(s.version > version and s.swept_ms for s in states):
                raise PreconditionFailed(
                    "KEY_IN_USE", "values may still be sealed with it", version=str(version)
                )
            await session.execute(
                update(data_key)
                .where(_c.version == version, _c.destroyed_ms.is_(None))
                .values(wrapped=b"", destroyed_ms=self._clock.now_ms())
            )
        await self.reload()
        logger.warning("data_key_destroyed", version=version)
        return next(state for state in await self.states() if state.version == version)

    async def states(self) -> list[KeyState]:
        """All versions, oldest first."""
        async with self._database.session() as session:
            return await _states(session)

    async def run(self) -> None:
        """Reload in every process; in one of them seal anew. Until cancelled.

        The database's own lease will do wherever other leases are: two that swept would do no harm.
        """
        sweeping = lead(Leases(self._database), _LEASE, self._sweep_for_ever, self._clock)
        await run_together(self._reload_for_ever(), sweeping)

    async def sweep(self) -> int:
        """Seal anew what older keys sealed; how many values. Notes it when none is left."""
        current = self.keys.current
        if current == LEGACY:
            return 0
        newest = next(s for s in await self.states() if s.version == current)
        # Right after the change a slower process may seal once more with the key before.
        settled = newest.active_ms + self._activation_ms <= self._clock.now_ms()
        if newest.swept_ms or not settled:
            return 0
        changed = sum([await self._pass(reseal) for reseal in self._sweeps])
        if not changed and self.keys.current == current:
            async with self._database.transaction() as session:
                await session.execute(
                    update(data_key)
                    .where(_c.version == current)
                    .values(swept_ms=self._clock.now_ms())
                )
            logger.info("data_key_swept", version=current)
        return changed

    async def _pass(self, reseal: Reseal) -> int:
        changed, cursor = 0, None
        while True:
            async with self._database.transaction() as session:
                cursor, some = await reseal(session, cursor, _PAGE)
            changed += some
            if cursor is None:
                return changed

    async def _reload_for_ever(self) -> None:
        while True:
            await self._clock.sleep(RELOAD_S)
            try:
                await self.reload()
            except DependencyDown as error:
                logger.warning("data_keys_not_reloaded", reason=error.reason)

    async def _sweep_for_ever(self, _: Lease) -> None:
        while True:
            if not await self.sweep():
                await self._clock.sleep(RELOAD_S)

    async def _rewrap(self) -> None:
        async with self._database.transaction() as session:
            rows = await session.execute(select(_c.version, _c.wrapped))
            for row in rows.all():
                if row.wrapped and not self._masters.is_current(row.wrapped):
                    fresh = self._masters.wrap(row.version, self.keys.key(row.version))
                    await session.execute(
                        update(data_key)
                        .where(_c.version == row.version, _c.wrapped == row.wrapped)
                        .values(wrapped=fresh)
                    )

    def _row(self, version: int, active_ms: int) -> dict[str, object]:
        key = secrets.token_bytes(KEY_BYTES)
        return {
            "version": version,
            "wrapped": self._masters.wrap(version, key),
            "created_ms": self._clock.now_ms(),
            "active_ms": active_ms,
        }


async def _states(session: AsyncSession, *, lock: bool = False) -> list[KeyState]:
    columns = (_c.version, _c.created_ms, _c.active_ms, _c.swept_ms, _c.destroyed_ms)
    query = select(*columns).order_by(_c.version)
    rows = await session.execute(query.with_for_update() if lock else query)
    return [
        KeyState(
            row.version, row.created_ms, row.active_ms, row.swept_ms or 0, row.destroyed_ms or 0
        )
        for row in rows
    ]
