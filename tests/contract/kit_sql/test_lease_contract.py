"""Leases of the database keep what leases promise."""

import pytest
from sqlalchemy import update

from siyu_kit.sql.election import Election
from siyu_kit.sql.engine import Database
from siyu_kit.sql.lease import Leases
from siyu_kit.sql.tables import lease
from siyu_kit.testing.lease_contract import LeaseContract


class DatabaseKeeper:
    """The database's clock decides what has expired, so a test sets the time in the row."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def open(self, holder: str, ttl_s: float = 10.0) -> Election:
        return Leases(self.database, holder=holder, ttl_s=ttl_s)

    async def expire(self, name: str, contender: Election) -> None:
        await self._set(name, expires_ms=1)

    async def usurp(self, name: str) -> None:
        await self._set(name, epoch=lease.c.epoch + 1, expires_ms=0)

    async def _set(self, name: str, **values: object) -> None:
        async with self.database.transaction() as session:
            await session.execute(update(lease).where(lease.c.name == name).values(**values))


class TestDatabaseLeases(LeaseContract):
    @pytest.fixture
    def keeper(self, database: Database) -> DatabaseKeeper:
        return DatabaseKeeper(database)
