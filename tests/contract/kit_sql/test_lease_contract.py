import asyncio

import pytest
from sqlalchemy import func, select, update

from siyu_kit.clock import SystemClock
from siyu_kit.sql.engine import Database
from siyu_kit.sql.leader import lead
from siyu_kit.sql.lease import Lease, LeaseLost, Leases, fence
from siyu_kit.sql.tables import dead_letter, lease
from siyu_kit.stream import dead_letters
from siyu_kit.stream.port import Entry


async def expire(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(update(lease).values(expires_ms=1))


async def effect(session) -> None:
    await dead_letters.record(
        session, reader="r", topic="t", partition=0, entry=Entry("1-0", b""), reason="R", message=""
    )


async def effects(database: Database) -> int:
    async with database.session() as session:
        return (await session.execute(select(func.count()).select_from(dead_letter))).scalar() or 0


async def test_one_holder_until_it_expires(database: Database) -> None:
    one, two = Leases(database, holder="one"), Leases(database, holder="two")
    first = await one.acquire("x")
    assert first is not None
    assert await two.acquire("x") is None
    assert await one.acquire("x") is None  # not twice in one process either
    await one.renew(first)
    await expire(database)
    second = await two.acquire("x")
    assert second is not None
    assert second.epoch == first.epoch + 1
    with pytest.raises(LeaseLost):
        await one.renew(first)
    await one.release(first)  # too late, and harmless
    await two.renew(second)


async def test_a_released_lease_is_free_at_once(database: Database) -> None:
    one, two = Leases(database, holder="one"), Leases(database, holder="two")
    held = await one.acquire("x")
    assert held is not None
    await one.release(held)
    assert await two.acquire("x") is not None


async def test_a_restarted_process_takes_its_own_lease_back(database: Database) -> None:
    first = await Leases(database, holder="pod-0").acquire("x")
    restarted = await Leases(database, holder="pod-0").acquire("x")
    assert first is not None
    assert restarted is not None
    assert restarted.epoch == first.epoch + 1


async def test_a_late_holder_commits_nothing(database: Database) -> None:
    one, two = Leases(database, holder="one"), Leases(database, holder="two")
    late = await one.acquire("x")
    assert late is not None
    await expire(database)
    assert await two.acquire("x") is not None
    with pytest.raises(LeaseLost):  # noqa: PT012 - the transaction fails
        async with database.transaction() as session:
            await effect(session)
            await fence(session, late)
    assert await effects(database) == 0


async def test_nobody_takes_over_between_fence_and_commit(database: Database) -> None:
    one, two = Leases(database, holder="one"), Leases(database, holder="two", ttl_s=10)
    held = await one.acquire("x")
    assert held is not None
    await expire(database)
    async with database.transaction() as session:
        await effect(session)
        await fence(session, held)
        taking = asyncio.create_task(two.acquire("x"))
        await asyncio.sleep(0.2)
        assert not taking.done()
    # The fence extended the lease, so the one who waited finds it held.
    assert await taking is None
    assert await effects(database) == 1


async def test_many_contenders_one_holder(database: Database) -> None:
    contenders = [Leases(database, holder=f"h{i}") for i in range(8)]
    held = await asyncio.gather(*(contender.acquire("x") for contender in contenders))
    assert sum(lease is not None for lease in held) == 1


async def test_leading_moves_on_when_the_lease_is_lost(database: Database) -> None:
    leases = Leases(database, holder="one", ttl_s=0.3)
    epochs: list[int] = []

    async def work(held: Lease) -> None:
        epochs.append(held.epoch)
        if len(epochs) < 2:
            async with database.transaction() as session:
                await session.execute(update(lease).values(epoch=lease.c.epoch + 1, expires_ms=0))
            await asyncio.sleep(30)

    async with asyncio.timeout(10):
        await lead(leases, "x", work, SystemClock())
    assert epochs == [1, 3]
    assert await Leases(database, holder="two").acquire("x") is not None
