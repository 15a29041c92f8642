"""What leases promise, whoever keeps them: a suite for each kind of keeper."""

import asyncio
from typing import Protocol

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from siyu_kit.clock import SystemClock
from siyu_kit.sql.election import Election
from siyu_kit.sql.engine import Database
from siyu_kit.sql.leader import lead
from siyu_kit.sql.lease import Lease, LeaseLost, fence
from siyu_kit.sql.tables import dead_letter
from siyu_kit.stream import dead_letters
from siyu_kit.stream.port import Entry


class Keeper(Protocol):
    """Whoever keeps leases, and how a test makes time pass for it."""

    database: Database

    def open(self, holder: str, ttl_s: float = 10.0) -> Election:
        """The leases as one process sees them."""
        ...

    async def expire(self, name: str, contender: Election) -> None:
        """Let a lease expire in the eyes of a contender."""
        ...

    async def usurp(self, name: str) -> None:
        """Take a lease away from whoever holds it, and let it go."""
        ...


class LeaseContract:
    """Derive it, and give the fixture ``keeper``."""

    async def test_one_holder_until_it_expires(self, keeper: Keeper) -> None:
        one, two = keeper.open("one"), keeper.open("two")
        first = await one.acquire("x")
        assert first is not None
        assert await two.acquire("x") is None
        assert await one.acquire("x") is None  # not twice in one process either
        await one.renew(first)
        await keeper.expire("x", two)
        second = await two.acquire("x")
        assert second is not None
        assert second.epoch == first.epoch + 1
        with pytest.raises(LeaseLost):
            await one.renew(first)
        await one.release(first)  # too late, and harmless
        await two.renew(second)
        assert await one.acquire("x") is None

    async def test_a_released_lease_is_free_at_once(self, keeper: Keeper) -> None:
        one, two = keeper.open("one"), keeper.open("two")
        held = await one.acquire("x")
        assert held is not None
        await one.release(held)
        taken = await two.acquire("x")
        assert taken is not None
        assert taken.epoch == held.epoch + 1

    async def test_a_restarted_process_takes_its_own_lease_back(self, keeper: Keeper) -> None:
        first = await keeper.open("pod-0").acquire("x")
        restarted = await keeper.open("pod-0").acquire("x")
        assert first is not None
        assert restarted is not None
        assert restarted.epoch == first.epoch + 1

    async def test_leases_with_other_names_are_others(self, keeper: Keeper) -> None:
        one, two = keeper.open("one"), keeper.open("two")
        assert await one.acquire("x") is not None
        assert await two.acquire("y.0") is not None
        assert await one.acquire("y.0") is None

    async def test_a_late_holder_commits_nothing(self, keeper: Keeper) -> None:
        one, two = keeper.open("one"), keeper.open("two")
        late = await one.acquire("x")
        assert late is not None
        await keeper.expire("x", two)
        assert await two.acquire("x") is not None
        with pytest.raises(LeaseLost):  # noqa: PT012 - the transaction fails
            async with keeper.database.transaction() as session:
                await _effect(session)
                await fence(session, late)
        assert await _effects(keeper.database) == 0

    async def test_nobody_takes_over_between_fence_and_commit(self, keeper: Keeper) -> None:
        one, two = keeper.open("one"), keeper.open("two")
        held = await one.acquire("x")
        assert held is not None
        await keeper.expire("x", two)
        async with keeper.database.transaction() as session:
            await _effect(session)
            await fence(session, held)
            taking = asyncio.create_task(two.acquire("x"))
            await asyncio.sleep(0.2)
            assert not taking.done()
        taken = await taking
        assert taken is None or taken.epoch > held.epoch
        assert await _effects(keeper.database) == 1

    async def test_many_contenders_one_holder(self, keeper: Keeper) -> None:
        contenders = [keeper.open(f"h{number}") for number in range(8)]
        held = await asyncio.gather(*(contender.acquire("x") for contender in contenders))
        assert sum(lease is not None for lease in held) == 1

    async def test_leading_moves_on_when_the_lease_is_lost(self, keeper: Keeper) -> None:
        leases = keeper.open("one", ttl_s=0.3)
        epochs: list[int] = []
        usurping: list[asyncio.Task[None]] = []

        async def work(held: Lease) -> None:
            epochs.append(held.epoch)
            if len(epochs) < 2:
                # A task of its own: the work may be stopped before the usurper has let go again.
                usurping.append(asyncio.create_task(keeper.usurp("x")))
                await asyncio.sleep(30)

        async with asyncio.timeout(20):
            await lead(leases, "x", work, SystemClock())
            await usurping[0]
        assert epochs == [1, 3]
        assert await keeper.open("two").acquire("x") is not None


async def _effect(session: AsyncSession) -> None:
    await dead_letters.record(
        session, reader="r", topic="t", partition=0, entry=Entry("1-0", b""), reason="R", message=""
    )


async def _effects(database: Database) -> int:
    async with database.session() as session:
        return (await session.execute(select(func.count()).select_from(dead_letter))).scalar() or 0
