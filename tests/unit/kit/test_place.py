"""A slot that is given back for a while."""

import asyncio

import pytest

from siyu_kit.clock import SystemClock
from siyu_kit.limits.admission import Admission, AdmissionBounds
from siyu_kit.limits.fair_queue import Slots
from siyu_kit.limits.place import aside
from siyu_kit.limits.priority import Priority
from siyu_kit.limits.slots import SlotPool

ONE = AdmissionBounds(ordinary=Slots(1, waiting=1, waiting_each=1))


def _pool(admission: Admission) -> SlotPool:
    return admission._pools[Priority.ORDINARY]


async def test_others_have_the_slot_while_it_is_given_back():
    admission = Admission(bounds=ONE)
    async with admission.message("a") as place:
        async with place.given_back():
            assert _pool(admission).running == 0
            async with admission.request("b"):
                assert _pool(admission).running == 1
        assert _pool(admission).running == 1
    assert _pool(admission).running == 0


async def test_a_slot_is_waited_for_again_also_behind_a_full_queue():
    admission = Admission(bounds=ONE)
    release, order = asyncio.Event(), []

    async def other(project):
        async with admission.request(project):
            order.append(project)
            await release.wait()

    async with admission.message("a") as place:
        async with place.given_back():
            others = [asyncio.create_task(other(project)) for project in "bc"]
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_later(0.05, release.set)
        order.append("a")
        assert _pool(admission).running == 1
    await asyncio.gather(*others)
    assert sorted(order) == ["a", "b", "c"]
    assert order[0] == "b"
    assert (_pool(admission).running, _pool(admission).waiting) == (0, 0)


@pytest.mark.parametrize("seed_s", [0.0, 0.01, 0.03])
async def test_who_leaves_while_it_waits_loses_no_slot(seed_s):
    admission = Admission(bounds=ONE)

    async def message():
        async with admission.message("a") as place:
            async with place.given_back():
                await asyncio.sleep(0.01)
            await asyncio.sleep(60)

    task = asyncio.create_task(message())
    await asyncio.sleep(seed_s)
    task.cancel()
    await asyncio.wait([task])
    assert (_pool(admission).running, _pool(admission).waiting) == (0, 0)
    with pytest.raises(ValueError, match="own"):
        async with admission.message("a") as place, place.given_back():
            raise ValueError("own")
    assert _pool(admission).running == 0


async def test_outside_of_a_message_nothing_is_given_back():
    async with aside():
        await SystemClock().sleep(0)
