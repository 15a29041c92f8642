"""Supervision of workers."""

import asyncio

from siyu_kit.workers import Supervisor, stopping, unit_of_work


async def test_a_worker_that_fails_is_down_and_comes_back(monkeypatch):
    monkeypatch.setattr("siyu_kit.workers.FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr("siyu_kit.workers.STEADY_AFTER_S", 0.05)
    runs, failed = 0, asyncio.Event()

    async def worker():
        nonlocal runs
        runs += 1
        if runs < 3:
            failed.set()
            raise ValueError("x")
        await asyncio.sleep(60)

    supervisor = Supervisor({"w": worker})
    supervisor.start()
    assert supervisor.healthy
    await failed.wait()
    await asyncio.sleep(0)
    assert supervisor.down == ["w"]
    for _ in range(200):
        if supervisor.healthy:
            break
        await asyncio.sleep(0.01)
    assert supervisor.healthy
    assert runs == 3
    await supervisor.stop(1)


async def test_a_worker_that_returns_is_done():
    async def worker():
        return

    supervisor = Supervisor({"once": worker})
    supervisor.start()
    await asyncio.sleep(0.01)
    assert supervisor.healthy
    await supervisor.stop(1)


async def test_stopping_waits_for_the_unit_under_way_and_no_longer():
    log = []

    async def worker():
        while True:
            async with unit_of_work():
                log.append("begun")
                await asyncio.sleep(0.05)
                log.append("done")

    supervisor = Supervisor({"w": worker})
    supervisor.start()
    await asyncio.sleep(0.01)
    await supervisor.stop(5)
    assert log == ["begun", "done"]


async def test_a_long_unit_learns_of_the_stop():
    log = []

    async def worker():
        async with unit_of_work():
            while not stopping():
                log.append(len(log))
                await asyncio.sleep(0.01)
            log.append("finished")

    supervisor = Supervisor({"w": worker})
    supervisor.start()
    await asyncio.sleep(0.03)
    assert not stopping()  # nobody supervises a test
    await supervisor.stop(5)
    assert log[-1] == "finished"


async def test_a_unit_that_takes_too_long_is_cut_off():
    cut = asyncio.Event()

    async def worker():
        async with unit_of_work():
            try:
                await asyncio.sleep(60)
            finally:
                cut.set()

    supervisor = Supervisor({"w": worker})
    supervisor.start()
    await asyncio.sleep(0.01)
    await supervisor.stop(0.05)
    assert cut.is_set()


async def test_a_waiting_worker_stops_at_once():
    async def worker():
        await asyncio.sleep(60)

    supervisor = Supervisor({"w": worker})
    supervisor.start()
    await asyncio.sleep(0)
    await asyncio.wait_for(supervisor.stop(30), 1)
