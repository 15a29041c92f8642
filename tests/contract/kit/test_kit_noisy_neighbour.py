"""A project that floods a service, and another one's calls beside it."""

import asyncio
import time
from contextlib import suppress

import pytest

from siyu.identity.v1 import identity_service_pb2 as pb
from siyu.identity.v1.identity_service_pb2_grpc import IdentityServiceStub
from siyu_kit.errors import DomainError
from siyu_kit.limits.admission import Admission, AdmissionBounds
from siyu_kit.limits.fair_queue import Slots
from siyu_kit.limits.policy import LimitPolicy
from siyu_kit.rpc import call
from siyu_kit.testing.rpc import serve
from support.fake_identity import FakeIdentity, resolve

WORK_S = 0.03
FLOOD = 120
CALLS = 25
# Four times its capacity is always waiting: behind all of it a call would take a second.
BOUNDS = AdmissionBounds(ordinary=Slots(4, guests=2, waiting=150, waiting_each=150))
FLOOR_S = 0.1


class Busy(FakeIdentity):
    """Every call holds something scarce for a while."""

    async def Resolve(self, request, context):
        await asyncio.sleep(WORK_S)
        return pb.ResolveResponse(resolution=pb.Resolution(ident_no=7))


async def _p95(stub, calls: int) -> float:
    took = []
    for _ in range(calls):
        started = time.monotonic()
        with suppress(DomainError):  # a refusal counts with the time it took, and then fails below
            await call(stub.Resolve, resolve(project="quiet"), timeout_s=5)
        took.append(time.monotonic() - started)
    return sorted(took)[round(calls * 0.95) - 1]


async def _flood(stub, stop: asyncio.Event) -> None:
    while not stop.is_set():
        with suppress(DomainError):
            await call(stub.Resolve, resolve(project="noisy"), timeout_s=10)


@pytest.mark.parametrize("fair", [True, False])
async def test_a_flood_does_not_slow_another_project_down(fair):
    admission = Admission(LimitPolicy(fair=fair), BOUNDS)
    async with serve(Busy().servicer(), admission=admission) as served:
        stub = IdentityServiceStub(served.channel("service"))
        alone_s = await _p95(stub, CALLS)
        stop = asyncio.Event()
        flood = [asyncio.create_task(_flood(stub, stop)) for _ in range(FLOOD)]
        await asyncio.sleep(0.3)
        beside_s = await _p95(stub, CALLS if fair else 5)  # each of them takes a second then
        stop.set()
        await asyncio.gather(*flood)
    within = beside_s <= 3 * alone_s + FLOOR_S
    assert within is fair, f"alone {alone_s:.3f} s, beside the flood {beside_s:.3f} s"
