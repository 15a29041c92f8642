"""Large requests begin one in every few turns of the event loop, those of projects by turns."""

import asyncio
from itertools import pairwise

import pytest

from siyu_kit.errors import DomainError
from siyu_kit.limits.admission import Admission, AdmissionBounds
from siyu_kit.limits.fair_queue import Slots

LARGE, SMALL = 20_000, 100


class Loop:
    """Requests that begin all at once, and in which turn of the loop each did."""

    def __init__(self) -> None:
        self.admission = Admission(bounds=AdmissionBounds(ordinary=Slots(12, guests=4)))
        self.begun: list[tuple[int, str]] = []
        self.turn = 0
        self.over = asyncio.Event()

    async def count(self) -> None:
        while not self.over.is_set():
            self.turn += 1
            await asyncio.sleep(0)

    async def request(self, project: str, size: int) -> None:
        async with self.admission.request(project, size=size):
            self.begun.append((self.turn, project))
            await self.over.wait()

    async def run(self, *requests: tuple[str, int]) -> None:
        counting = asyncio.create_task(self.count())
        tasks = [asyncio.create_task(self.request(*one)) for one in requests]
        async with asyncio.timeout(5):
            while len(self.begun) < len(requests):
                await asyncio.sleep(0)
        self.over.set()
        await asyncio.gather(counting, *tasks)


async def test_one_large_request_begins_in_a_turn_and_another_project_is_next():
    loop = Loop()
    await loop.run(*[("noisy", LARGE)] * 12, ("quiet", LARGE))
    turns = [turn for turn, _ in loop.begun]
    assert min(b - a for a, b in pairwise(turns)) >= 8
    assert [project for _, project in loop.begun[:2]] == ["noisy", "quiet"]


async def test_small_requests_do_not_wait_for_a_turn():
    loop = Loop()
    await loop.run(*[("noisy", LARGE)] * 11, ("noisy", SMALL), ("quiet", SMALL))
    assert {loop.begun[0][0], loop.begun[1][0], loop.begun[2][0]} == {loop.begun[0][0]}
    assert {project for _, project in loop.begun[:3]} == {"noisy", "quiet"}


async def test_who_leaves_while_waiting_for_a_turn_gives_everything_back():
    loop = Loop()
    admission = loop.admission
    first = asyncio.create_task(loop.request("a", LARGE))
    second = asyncio.create_task(loop.request("a", LARGE))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    loop.over.set()
    await first
    for _ in range(3):  # nothing is held for ever
        async with asyncio.timeout(1), admission.request("a", size=LARGE):
            pass


async def test_a_request_that_fails_at_once_ends_its_turn():
    admission = Loop().admission
    for _ in range(3):
        with pytest.raises(DomainError):
            async with asyncio.timeout(1), admission.request("a", size=LARGE):
                raise DomainError("BAD", "at once")
