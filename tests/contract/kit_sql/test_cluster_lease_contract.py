"""Leases of a Kubernetes cluster keep what leases promise, over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from sqlalchemy import select

from siyu_kit.clock import ManualClock
from siyu_kit.cluster.lease_api import LeaseApi, LeaseObject, lease_name, stamped
from siyu_kit.cluster.leases import ClusterLeases
from siyu_kit.cluster.opening import open_election
from siyu_kit.config import CommonConfig
from siyu_kit.errors import Conflict, DependencyDown
from siyu_kit.sql.election import Election
from siyu_kit.sql.engine import Database
from siyu_kit.sql.lease import LeaseLost, Leases, fence
from siyu_kit.sql.tables import lease
from siyu_kit.testing.fake_cluster import FakeCluster, fake_cluster
from siyu_kit.testing.lease_contract import LeaseContract

pytestmark = pytest.mark.loopback
SPACE = "siyu"


class ClusterKeeper:
    """Each process has a connection of its own, and all have one clock."""

    def __init__(self, database: Database, cluster: FakeCluster) -> None:
        self.database, self.cluster = database, cluster
        self.clock = ManualClock()
        self.opened: list[ClusterLeases] = []

    def open(self, holder: str, ttl_s: float = 10.0) -> ClusterLeases:
        leases = ClusterLeases(
            self.database,
            LeaseApi(SPACE, self.cluster.url),
            holder=holder,
            ttl_s=ttl_s,
            clock=self.clock,
        )
        self.opened.append(leases)
        return leases

    async def expire(self, name: str, contender: Election) -> None:
        assert await contender.acquire(name) is None
        await self.clock.advance(10.1)

    async def usurp(self, name: str) -> None:
        """An administrator deletes the object, and another process is there first."""
        del self.cluster.objects[SPACE, f"siyu-{name}"]
        other = self.open("other")
        held = await other.acquire(name)
        assert held is not None
        await other.release(held)

    def spec(self, name: str) -> dict[str, object]:
        return self.cluster.objects[SPACE, f"siyu-{name}"]["spec"]


@pytest_asyncio.fixture
async def keeper(database: Database) -> AsyncIterator[ClusterKeeper]:
    async with fake_cluster() as cluster:
        keeper = ClusterKeeper(database, cluster)
        yield keeper
        for leases in keeper.opened:
            await leases.aclose()


class TestClusterLeases(LeaseContract):
    """The fixture of this module."""


async def test_the_object_says_who_leads_and_for_how_long(keeper: ClusterKeeper) -> None:
    one, two = keeper.open("pod-1"), keeper.open("pod-2")
    held = await one.acquire("relay.identity.0")
    assert held is not None
    first = dict(keeper.spec("relay.identity.0"))
    assert (first["holderIdentity"], first["leaseDurationSeconds"]) == ("pod-1", 10)
    await one.renew(held)
    renewed = keeper.spec("relay.identity.0")
    assert renewed["renewTime"] > first["renewTime"]
    assert renewed["acquireTime"] == first["acquireTime"]
    await one.release(held)
    assert keeper.spec("relay.identity.0")["holderIdentity"] == ""
    assert await two.acquire("relay.identity.0") is not None
    assert keeper.spec("relay.identity.0")["leaseTransitions"] == 1


async def test_who_is_renewed_does_not_expire_however_late_it_is(keeper: ClusterKeeper) -> None:
    one, two = keeper.open("one"), keeper.open("two")
    held = await one.acquire("x")
    assert held is not None
    for _ in range(5):
        assert await two.acquire("x") is None
        await keeper.clock.advance(9)
        await one.renew(held)
    assert await two.acquire("x") is None


async def test_a_version_that_others_made_is_no_loss(keeper: ClusterKeeper) -> None:
    """An answer that did not arrive, or an annotation."""
    one = keeper.open("one")
    held = await one.acquire("x")
    assert held is not None
    keeper.cluster.objects[SPACE, "siyu-x"]["metadata"]["resourceVersion"] = "noted"
    await one.renew(held)
    keeper.cluster.objects[SPACE, "siyu-x"]["spec"]["holderIdentity"] = "two"
    keeper.cluster.objects[SPACE, "siyu-x"]["metadata"]["resourceVersion"] = "taken"
    with pytest.raises(LeaseLost):
        await one.renew(held)


async def test_who_stands_by_writes_nothing(keeper: ClusterKeeper) -> None:
    one, two = keeper.open("one"), keeper.open("two")
    assert await one.acquire("x") is not None
    before = keeper.cluster.writes
    for _ in range(5):
        assert await two.acquire("x") is None
    assert keeper.cluster.writes == before


async def test_the_epoch_goes_on_from_that_of_the_database(keeper: ClusterKeeper) -> None:
    """An installation that had leases of the database goes over to the cluster's, and back."""
    old = Leases(keeper.database, holder="old")
    before = await old.acquire("x")
    assert before is not None
    cluster = keeper.open("new")
    held = await cluster.acquire("x")
    assert held is not None
    assert held.epoch == before.epoch + 1
    async with keeper.database.transaction() as session:
        await fence(session, held)
    with pytest.raises(LeaseLost):
        await old.renew(before)
    # For who looks into the database it is taken, too.
    assert await old.acquire("x") is None


async def test_who_won_and_slept_does_not_lead(keeper: ClusterKeeper) -> None:
    """Between its lease and its epoch somebody else had both: it finds out before it begins."""
    slow, fast = keeper.open("slow"), keeper.open("fast")
    wakes, asleep = asyncio.Event(), asyncio.Event()
    next_epoch = slow._next_epoch

    async def sleeping(name: str, before: int) -> object:
        asleep.set()
        await wakes.wait()
        return await next_epoch(name, before)

    slow._next_epoch = sleeping  # type: ignore[method-assign, assignment]
    late = asyncio.create_task(slow.acquire("x"))
    await asleep.wait()
    await keeper.expire("x", fast)
    held = await fast.acquire("x")
    assert held is not None
    wakes.set()
    assert await late is None
    await fast.renew(held)
    async with keeper.database.transaction() as session:
        await fence(session, held)


@pytest.mark.parametrize("status", [401, 403, 500, 503])
async def test_a_cluster_that_refuses_is_down(keeper: ClusterKeeper, status: int) -> None:
    one = keeper.open("one")
    held = await one.acquire("x")
    assert held is not None
    keeper.cluster.refuse = status
    with pytest.raises(DependencyDown) as error:
        await one.renew(held)
    assert str(status) in error.value.message
    with pytest.raises(DependencyDown):
        await keeper.open("two").acquire("y")
    keeper.cluster.refuse = 0
    await one.renew(held)


async def test_a_cluster_that_is_not_there_is_down(database: Database) -> None:
    for url in ("http://127.0.0.1:1", ""):
        leases = ClusterLeases(database, LeaseApi(SPACE, url))
        with pytest.raises(DependencyDown):
            await leases.acquire("x")
        await leases.aclose()
    async with database.session() as session:
        assert (await session.execute(select(lease.c.name))).all() == []


async def test_a_write_over_a_version_that_is_gone_is_refused(keeper: ClusterKeeper) -> None:
    api = LeaseApi(SPACE, keeper.cluster.url)
    try:
        first = await api.create(stamped(LeaseObject("l", "", 10), "one"))
        second = await api.replace(stamped(first, "one"))
        with pytest.raises(Conflict):
            await api.replace(stamped(first, "two"))
        with pytest.raises(Conflict):
            await api.create(LeaseObject("l", "", 10))
        with pytest.raises(Conflict):
            await api.replace(replace(second, name="gone"))
        assert await api.get("l") == second
        assert await api.get("none") is None
    finally:
        await api.aclose()


@pytest.mark.parametrize("name", ["Relay", "relay_0", ".x", "x" * 260])
def test_a_name_that_kubernetes_does_not_take_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        lease_name("", name)


def test_a_time_always_has_its_fraction() -> None:
    assert all(stamped(LeaseObject("l", "", 1), "me").renewed.microsecond for _ in range(100))


async def test_the_settings_choose_the_keeper(database: Database) -> None:
    assert isinstance(open_election(CommonConfig(), database), Leases)
    chosen = open_election(CommonConfig(leases="kubernetes"), database)
    assert isinstance(chosen, ClusterLeases)
    await chosen.aclose()
