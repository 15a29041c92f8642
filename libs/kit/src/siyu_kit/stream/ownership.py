"""The partitions this process reads, each under its lease, with the committed position."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from siyu_kit.errors import DependencyDown
from siyu_kit.log import get_logger
from siyu_kit.sql import positions
from siyu_kit.sql.engine import Database
from siyu_kit.sql.lease import Lease, LeaseLost, Leases

_log = get_logger(__name__)


@dataclass(slots=True)
class Owned:
    """A partition we believe to own. Only a fenced commit may move ``position``."""

    partition: int
    lease: Lease
    position: str


class Ownership:
    """Takes what is free among a topic's partitions, keeps it, notices losses."""

    def __init__(
        self,
        database: Database,
        leases: Leases,
        reader: str,
        topic: str,
        partitions: Iterable[int],
    ) -> None:
        self._database = database
        self._leases = leases
        self._reader = reader
        self._topic = topic
        self._partitions = tuple(partitions)
        self._owned: dict[int, Owned] = {}
        self._gained = asyncio.Event()

    @property
    def owned(self) -> dict[int, Owned]:
        """What is held now, by partition."""
        return dict(self._owned)

    async def gained(self) -> None:
        """Return when there is something to read."""
        while not self._owned:
            self._gained.clear()
            await self._gained.wait()

    def forget(self, lost: Owned) -> None:
        """It turned out to be another's."""
        if self._owned.get(lost.partition) is lost:
            del self._owned[lost.partition]
            _log.warning(
                "partition_lost",
                reader=self._reader,
                topic=self._topic,
                partition=lost.partition,
                epoch=lost.lease.epoch,
            )

    async def refresh(self) -> list[Owned]:
        """Renew what is held, take what is free; returns the newly taken."""
        for held in list(self._owned.values()):
            try:
                await self._leases.renew(held.lease)
            except LeaseLost:
                self.forget(held)
        missing = [p for p in self._partitions if p not in self._owned]
        return [taken for p in missing if (taken := await self._take(p)) is not None]

    async def release(self) -> None:
        """Let others go on at once."""
        while self._owned:
            _, held = self._owned.popitem()
            try:
                await self._leases.release(held.lease)
            except DependencyDown:
                _log.warning("lease_not_released", lease=held.lease.name)

    async def _take(self, partition: int) -> Owned | None:
        lease = await self._leases.acquire(f"reader.{self._reader}.{self._topic}.{partition}")
        if lease is None:
            return None
        # Read after acquiring: what the former holder could commit is committed by now.
        async with self._database.session() as session:
            found = await positions.load(session, self._reader, self._topic, [partition])
        taken = Owned(partition, lease, found[partition])
        self._owned[partition] = taken
        self._gained.set()
        _log.info(
            "partition_taken",
            reader=self._reader,
            topic=self._topic,
            partition=partition,
            epoch=lease.epoch,
            position=taken.position,
        )
        return taken
