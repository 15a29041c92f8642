import asyncio

import pytest

from siyu_kit.clock import ManualClock
from siyu_kit.errors import DependencyDown
from siyu_kit.sql.lease import Lease
from siyu_kit.stream.guard import StreamGuard
from siyu_kit.stream.history import History
from siyu_kit.stream.ledger import ACCEPTED, REFUSED, DoorLedger, counters
from siyu_kit.stream.memory import MemoryStreamStore
from siyu_kit.stream.ownership import Owned
from siyu_kit.stream.port import Durability, NewEntry, PlacedEntry
from siyu_kit.stream.reader_metrics import ReaderMetrics
from siyu_kit.stream.redis_facts import ServerFacts
from siyu_kit.stream.redis_promise import promise_of, shortfalls
from siyu_kit.stream.topics import EVENTS
from siyu_kit.telemetry import DISABLED

DURABLE = {"appendonly": "yes", "appendfsync": "always"}
LIMITED = DURABLE | {"maxmemory": "1000"}


def facts(settings: dict[str, str] | None = None, **info: str) -> ServerFacts:
    told = {"redis_version": "7.0.15", "role": "master", "run_id": "a", "master_replid": "b"}
    return ServerFacts(told | info, DURABLE if settings is None else settings)


@pytest.mark.parametrize(
    ("settings", "durability"),
    [
        (DURABLE, Durability.DURABLE),
        (LIMITED | {"maxmemory-policy": "noeviction"}, Durability.DURABLE),
        (LIMITED | {"maxmemory-policy": "allkeys-lru"}, Durability.VOLATILE),
        (DURABLE | {"appendfsync": "everysec"}, Durability.RELAXED),
        (DURABLE | {"no-appendfsync-on-rewrite": "yes"}, Durability.RELAXED),
        (DURABLE | {"appendfsync": "no"}, Durability.VOLATILE),
        (DURABLE | {"appendonly": "no"}, Durability.VOLATILE),
        ({}, Durability.VOLATILE),
    ],
)
def test_a_server_promises_what_its_settings_allow(settings, durability) -> None:
    promise = promise_of(facts(settings))
    assert promise.durability is durability
    assert bool(promise.reasons) == (durability is not Durability.DURABLE)


@pytest.mark.parametrize(
    ("told", "wanted", "replicas", "words"),
    [
        (facts(redis_version="6.0.9"), Durability.RELAXED, 0, "6.2 or newer"),
        (facts(role="slave"), Durability.RELAXED, 0, "primary"),
        (facts(aof_last_write_status="err"), Durability.DURABLE, 0, "aof_last_write_status"),
        (facts(aof_last_bgrewrite_status="err"), Durability.DURABLE, 0, "aof_last_bgrewrite"),
        (facts(DURABLE | {"appendfsync": "everysec"}), Durability.DURABLE, 0, "appendfsync always"),
        (ServerFacts(facts().info, None), Durability.DURABLE, 0, "CONFIG GET"),
        (facts(), Durability.REPLICATED, 1, "0 of 1 replicas"),
        (facts(slave0="ip=1,state=wait_bgsave"), Durability.REPLICATED, 1, "0 of 1 replicas"),
        (facts(slave0="ip=1,state=online"), Durability.DURABLE, 2, "1 of 2 replicas"),
    ],
)
def test_each_shortfall_is_named_with_what_to_change(told, wanted, replicas, words) -> None:
    [reason] = shortfalls(told, wanted, replicas)
    assert words in reason


def test_replicas_make_up_for_a_sync_every_second() -> None:
    told = facts(DURABLE | {"appendfsync": "everysec"}, slave0="ip=1,state=online")
    assert shortfalls(told, Durability.REPLICATED, 1) == ()
    assert promise_of(told, 1).durability is Durability.REPLICATED
    assert shortfalls(ServerFacts(facts().info, None), Durability.RELAXED) == ()


class Server:
    """What a guard is told."""

    def __init__(self) -> None:
        self.facts = facts()

    async def read(self) -> ServerFacts:
        return self.facts


def guard_of(server: Server, wanted: Durability = Durability.DURABLE) -> StreamGuard:
    return StreamGuard(server.read, wanted, ManualClock())


async def test_nothing_is_taken_before_the_server_is_verified_nor_after_it_weakens() -> None:
    server = Server()
    guard = guard_of(server)
    with pytest.raises(DependencyDown):
        guard.check()
    assert await guard.ready()
    guard.check()
    server.facts = facts(DURABLE | {"appendfsync": "no"})
    await guard.verify()
    assert not await guard.ready()
    with pytest.raises(DependencyDown) as refused:
        guard.check()
    assert refused.value.reason == "STREAM_PROMISE_BROKEN"
    assert "appendfsync always" in refused.value.metadata["problem"]
    server.facts = facts()
    await guard.verify()
    guard.check()


async def test_another_server_is_compared_before_it_is_used() -> None:
    server, compared = Server(), []
    guard = guard_of(server)
    await guard.verify()

    async def compare() -> None:
        with pytest.raises(DependencyDown):
            guard.check()
        compared.append(server.facts.identity)

    guard.on_change(compare)
    server.facts = facts(run_id="c")
    assert await guard.admits("c:b")
    assert await guard.admits("c:b")
    assert compared == ["c:b"]
    assert not await guard.admits("d:b"), "who is gone by now is not used"
    guard.check()


async def test_the_ledger_survives_a_server_that_forgets() -> None:
    stream = MemoryStreamStore()
    ledger = DoorLedger(stream, "events", 2)
    entries = [PlacedEntry("events", 1, NewEntry(b"x", 5, project_id="demo"))]
    tallies = {("demo", ACCEPTED): 5, ("demo", REFUSED + "NO_IDENTIFIER"): 2}
    [first] = await ledger.append(entries, tallies)
    stream.lose("events", 1)
    await ledger.append([], {("demo", REFUSED + "NO_IDENTIFIER"): 1})
    kept = {(p, o): n for _, p, o, n in counters((await stream.cut("events", 2)).counters)}
    assert kept == {("demo", ACCEPTED): 5, ("demo", REFUSED + "NO_IDENTIFIER"): 3}
    assert await stream.tail("events", 1) == first, "new ids lie above what readers have seen"


class SlowStream(MemoryStreamStore):
    """Answers later than it works, as a server does."""

    def forget(self, count: int) -> None:
        for name in self._counters:
            self._counters[name] -= count

    async def append_counted(self, entries, counts):  # type: ignore[no-untyped-def]
        done = await super().append_counted(entries, counts)
        await asyncio.sleep(0.01)
        return done

    async def cut(self, topic, partitions):  # type: ignore[no-untyped-def]
        cut = await super().cut(topic, partitions)
        await asyncio.sleep(0.01)
        return cut


@pytest.mark.parametrize("later_s", [0.0, 0.005, 0.015, 0.025])
async def test_a_loss_found_twice_is_put_right_once(later_s: float) -> None:
    stream = SlowStream()
    ledger = DoorLedger(stream, "events", 2)
    await ledger.append([], {("demo", ACCEPTED): 100})
    stream.forget(40)

    async def compare() -> None:
        await asyncio.sleep(later_s)
        await ledger.compare()

    await asyncio.gather(ledger.append([], {("demo", ACCEPTED): 10}), compare(), compare())
    await ledger.compare()
    kept = [n for *_, n in counters((await stream.cut("events", 2)).counters)]
    assert kept == [110]


class Unforwarding(MemoryStreamStore):
    """Goes away once, when it is to be moved forward."""

    failures = 1

    async def forward(self, topic, partition, position):  # type: ignore[no-untyped-def]
        if self.failures:
            self.failures -= 1
            raise DependencyDown("STREAM_DOWN", "away")
        await super().forward(topic, partition, position)


async def test_a_stream_put_back_is_moved_forward_until_it_is() -> None:
    stream, clock = Unforwarding(), ManualClock()
    lease = Lease("reader.identity.events.0", "here", 1, 10.0)
    owned = Owned(0, lease, "9000000000000-7")
    metrics = ReaderMetrics(DISABLED.meter, "identity", "events")
    history = History(stream, EVENTS, "identity", metrics, clock, None)
    with pytest.raises(DependencyDown):
        await history.look(owned)
    assert await history.look(owned)
    assert await stream.tail("events", 0) == owned.position
