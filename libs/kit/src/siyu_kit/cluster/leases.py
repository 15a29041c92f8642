"""Leases that a Kubernetes cluster keeps, with fencing epochs from the service's own database.

The cluster says who leads, where everybody can see it (``kubectl get leases``), and it costs the
database nothing while nobody changes. It cannot fence: its API and the database know nothing of
each other. So whoever has won takes the next epoch of the lease's row before it begins, and what
counts is ``fence``, as with leases of the database.
"""

from __future__ import annotations

import math
import socket
from dataclasses import replace
from typing import Final, NamedTuple

from sqlalchemy import select, update

from siyu_kit.clock import Clock, SystemClock
from siyu_kit.cluster.lease_api import LeaseApi, LeaseObject, lease_name, stamped
from siyu_kit.errors import Conflict, DependencyDown
from siyu_kit.log import get_logger
from siyu_kit.sql.dialect import now_ms
from siyu_kit.sql.engine import Database
from siyu_kit.sql.lease import Lease, LeaseLost, in_time
from siyu_kit.sql.tables import lease as table
from siyu_kit.sql.upsert import upsert

_log = get_logger(__name__)
_NOBODY: Final = ""


class _Sight(NamedTuple):
    """A lease of somebody else's, and when this process first saw it so."""

    version: str
    since: float


class ClusterLeases:
    """The same promises as ``siyu_kit.sql.lease.Leases``.

    A lease has expired when its object did not change for its whole time by this process's own
    clock: the clocks of other machines say nothing.
    """

    def __init__(
        self,
        database: Database,
        api: LeaseApi,
        *,
        prefix: str = "siyu",
        holder: str | None = None,
        ttl_s: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        self.ttl_s = ttl_s
        self._database, self._api, self._prefix = database, api, prefix
        self._holder = holder or socket.gethostname()
        self._clock = clock or SystemClock()
        self._asked: set[str] = set()
        self._seen: dict[str, _Sight] = {}
        self._mine: dict[str, LeaseObject] = {}

    async def acquire(self, name: str) -> Lease | None:
        """Take the lease if it is free; None while another holds it, or was faster."""
        async with in_time(self.ttl_s):
            return await self._acquire(name)

    async def renew(self, held: Lease) -> None:
        """Extend the lease by its whole time; raises ``LeaseLost``."""
        async with in_time(self.ttl_s):
            await self._renew(held)

    async def _acquire(self, name: str) -> Lease | None:
        found = await self._api.get(lease_name(self._prefix, name))
        if found is not None and not self._may_take(name, found):
            return None
        epoch = await self._epoch(name)
        try:
            mine = await self._take(name, found)
        except Conflict:
            return None
        try:
            held = await self._next_epoch(name, epoch)
        except DependencyDown:
            await self._let_go(name, mine)
            raise
        if held is None:
            await self._let_go(name, mine)
            return None
        self._asked.add(name)
        try:
            await self._renew(held)
        except LeaseLost:
            # It took so long that somebody else has it; their epoch is the next one.
            return None
        return held

    async def _renew(self, held: Lease) -> None:
        mine = self._mine.get(held.name)
        if mine is None or await self._epoch(held.name) != held.epoch:
            raise LeaseLost(held.name)
        try:
            self._mine[held.name] = await self._stamp(mine)
        except Conflict:
            self._mine.pop(held.name, None)
            raise LeaseLost(held.name) from None

    async def _stamp(self, mine: LeaseObject) -> LeaseObject:
        try:
            return await self._api.replace(stamped(mine, self._holder))
        except Conflict:
            # An answer that was lost, or a note that somebody put on it, is another version too.
            found = await self._api.get(mine.name)
            if found is None or found.holder != self._holder:
                raise
            return await self._api.replace(stamped(found, self._holder))

    async def release(self, held: Lease) -> None:
        """Let others have it at once; does nothing when it is lost already."""
        mine = self._mine.get(held.name)
        if mine is not None and await self._epoch(held.name) == held.epoch:
            await self._let_go(held.name, mine)

    async def aclose(self) -> None:
        """Close the connections to the cluster."""
        await self._api.aclose()

    def _may_take(self, name: str, found: LeaseObject) -> bool:
        if found.holder == _NOBODY:
            return True
        if found.holder == self._holder and name not in self._asked:
            # A process that was restarted in its place takes its own lease back.
            return True
        now, sight = self._clock.monotonic(), self._seen.get(name)
        if sight is None or sight.version != found.version:
            self._seen[name] = _Sight(found.version, now)
            return False
        return now - sight.since > found.duration_s

    async def _take(self, name: str, found: LeaseObject | None) -> LeaseObject:
        duration_s = math.ceil(self.ttl_s)
        if found is None:
            fresh = LeaseObject(lease_name(self._prefix, name), _NOBODY, duration_s)
            taken = await self._api.create(stamped(fresh, self._holder))
        else:
            free = replace(found, holder=_NOBODY, duration_s=duration_s)
            taken = await self._api.replace(stamped(free, self._holder))
        self._mine[name] = taken
        return taken

    async def _let_go(self, name: str, mine: LeaseObject) -> None:
        self._mine.pop(name, None)
        try:
            await self._api.replace(replace(mine, holder=_NOBODY))
        except Conflict:
            return
        except DependencyDown:
            _log.warning("lease_not_released", lease=name)

    async def _epoch(self, name: str) -> int:
        """The last epoch given."""
        async with self._database.session() as session:
            found = await session.scalar(select(table.c.epoch).where(table.c.name == name))
        return found or 0

    async def _next_epoch(self, name: str, before: int) -> Lease | None:
        """The epoch after ``before``; None when somebody else has taken it."""
        async with self._database.transaction() as session:
            free_row = {"name": name, "holder": _NOBODY, "epoch": 0, "expires_ms": 0}
            await upsert(session, table, [free_row], key=["name"])
            now = now_ms(self._database.dialect)
            result = await session.execute(
                update(table)
                .where(table.c.name == name, table.c.epoch == before)
                .values(
                    holder=self._holder,
                    epoch=before + 1,
                    expires_ms=now + int(self.ttl_s * 1000),
                )
                .returning(table.c.epoch)
            )
            epoch = result.scalar()
        return None if epoch is None else Lease(name, self._holder, epoch, self.ttl_s)
