"""Waiting for a slot with tasks: cancellation at any moment loses no slot."""

import asyncio
import random

import pytest

from siyu_kit.clock import ManualClock, SystemClock
from siyu_kit.errors import DeadlineExceeded, TooBusy
from siyu_kit.limits.fair_queue import Slots
from siyu_kit.limits.slots import SlotPool
from siyu_kit.scope import Scope, enter_scope


async def _hold(pool, project, release):
    async with pool.held(project):
        await release.wait()


async def test_a_full_queue_refuses_with_a_time_to_come_again():
    pool = SlotPool("test", Slots(1, waiting=2, waiting_each=2), SystemClock())
    release = asyncio.Event()
    tasks = [asyncio.create_task(_hold(pool, "a", release)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(TooBusy) as refused:
        async with pool.held("a"):
            raise AssertionError("it was let in")
    assert refused.value.reason == "PROJECT_BUSY"
    assert refused.value.metadata == {"limit": "test_queue"}
    assert 0 < refused.value.retry_after_s <= 30
    release.set()
    await asyncio.gather(*tasks)
    assert (pool.running, pool.waiting) == (0, 0)


async def test_who_gives_way_in_the_queue_is_told_to_come_again():
    pool = SlotPool("test", Slots(1, waiting=3, waiting_each=3), SystemClock())
    release = asyncio.Event()
    flood = [asyncio.create_task(_hold(pool, "flood", release)) for _ in range(4)]
    await asyncio.sleep(0)
    other = asyncio.create_task(_hold(pool, "other", release))
    await asyncio.wait(flood, timeout=1, return_when=asyncio.FIRST_COMPLETED)
    assert [task.done() for task in flood] == [False, False, False, True]
    assert isinstance(flood[3].exception(), TooBusy)
    release.set()
    await asyncio.gather(other, *flood[:3])


async def test_a_project_whose_queue_is_old_gets_no_more_in():
    clock = ManualClock()
    pool = SlotPool("test", Slots(1, waiting=9, waiting_each=9), clock, max_age_s=5)
    release = asyncio.Event()
    tasks = [asyncio.create_task(_hold(pool, "a", release)) for _ in range(2)]
    await asyncio.sleep(0)
    await clock.advance(6)
    with pytest.raises(TooBusy) as refused:
        async with pool.held("a"):
            raise AssertionError("it was let in")
    assert refused.value.metadata == {"limit": "test_queue_age"}
    tasks.append(asyncio.create_task(_hold(pool, "b", release)))
    await asyncio.sleep(0)
    assert pool.waiting == 2, "another project may still wait"
    release.set()
    await asyncio.gather(*tasks)


async def test_a_request_whose_time_ran_out_in_the_queue_is_never_started():
    clock = ManualClock()
    pool = SlotPool("test", Slots(1, waiting=9, waiting_each=9), clock)
    release, started = asyncio.Event(), []
    first = asyncio.create_task(_hold(pool, "a", release))
    await asyncio.sleep(0)

    async def late():
        scope = Scope("m", 1, 1, sampled=False)
        scope.deadline = 1.0
        enter_scope(scope)
        async with pool.held("a"):
            started.append(True)

    waiting = asyncio.create_task(late())
    await asyncio.sleep(0)
    await clock.advance(2)
    release.set()
    with pytest.raises(DeadlineExceeded):
        await waiting
    await first
    assert started == []
    assert (pool.running, pool.waiting) == (0, 0)


async def test_cancelled_at_any_moment_no_slot_is_lost():
    chance = random.Random(3)
    pool = SlotPool("test", Slots(3, guests=1, waiting=30, waiting_each=20), SystemClock())
    most = 0

    async def work():
        nonlocal most
        async with pool.held(chance.choice("abc")):
            most = max(most, pool.running)
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)

    for _ in range(300):
        tasks = [asyncio.create_task(work()) for _ in range(chance.randrange(1, 12))]
        for _ in range(chance.randrange(8)):
            await asyncio.sleep(0)
        for task in tasks:
            if chance.random() < 0.5:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert most <= 4
    assert (pool.running, pool.waiting) == (0, 0)
    assert not pool._queue._keys


async def test_with_fairness_off_all_are_one_queue():
    pool = SlotPool("test", Slots(1, guests=1, waiting=9, waiting_each=9), SystemClock())
    pool.fair = False
    release, order = asyncio.Event(), []

    async def work(project):
        async with pool.held(project):
            order.append(project)
            await release.wait()

    tasks = [asyncio.create_task(work(project)) for project in "aaab"]
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(*tasks)
    assert order == ["a", "a", "a", "b"]
