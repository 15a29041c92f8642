import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu_kit.clock import ManualClock
from siyu_kit.errors import DependencyDown, QuotaExceeded
from siyu_kit.stream.appender import GroupAppender
from siyu_kit.stream.codec import decode, encode
from siyu_kit.stream.dead_letter_limit import DeadLetterCap, DeadLetterLimit, TooManyDeadLetters
from siyu_kit.stream.memory import MemoryStreamStore
from siyu_kit.stream.partition import partition_of
from siyu_kit.stream.port import Entry, NewEntry, PlacedEntry, is_before, join_id
from siyu_kit.stream.sizing import within_budget
from siyu_kit.stream.trimming import trim_floor
from siyu_kit.testing.sockets import SocketBlocked

NUMBERS = st.integers(0, 2**63)


@given(
    st.binary(), NUMBERS, st.integers(0, 7), st.none() | st.text("0123456789abcdef-", min_size=1)
)
def test_an_entry_survives_its_encoding(payload, count, kinds, trace) -> None:
    new = NewEntry(payload, count, kinds, trace)
    assert decode("1-0", encode(new)) == Entry("1-0", payload, count, kinds, trace)


@given(st.dictionaries(st.sampled_from([b"p", b"n", b"k", b"t", b"x"]), st.binary(max_size=4)))
def test_foreign_entries_are_named_damaged_and_never_raise(fields) -> None:
    entry = decode("1-0", fields)
    assert bool(entry.damage) or b"p" in fields


@given(st.tuples(NUMBERS, NUMBERS), st.tuples(NUMBERS, NUMBERS))
def test_ids_compare_as_numbers(left, right) -> None:
    assert is_before(join_id(*left), join_id(*right)) == (left < right)


def test_a_subject_keeps_its_partition_for_ever() -> None:
    # Stored data depends on these: crc32 of type, unit separator, value.
    assert partition_of("customer_no", "10001", 4) == 3
    assert [partition_of("mobile", f"1380000{i:04}", 4) for i in range(6)] == [2, 0, 2, 0, 3, 1]


def test_partitions_are_filled_evenly() -> None:
    sizes = [0] * 4
    for i in range(8000):
        sizes[partition_of("device_id", f"d-{i}", 4)] += 1
    assert min(sizes) > 1800


@given(st.dictionaries(st.sampled_from(["identity", "analytics", "profile", "x"]), NUMBERS))
def test_trimming_spares_what_any_declared_reader_needs(reported) -> None:
    floor = trim_floor("events", {name: join_id(high) for name, high in reported.items()})
    declared = {"identity", "analytics", "profile"}
    if declared <= reported.keys():
        slowest = min(reported[name] for name in declared)
        assert floor == join_id(slowest)
    else:
        assert floor is None


@given(
    st.dictionaries(
        st.integers(0, 3), st.lists(st.integers(0, 50), min_size=1, max_size=8), max_size=4
    ),
    st.integers(1, 200),
)
def test_a_byte_budget_keeps_a_prefix_of_at_least_one(sizes, budget) -> None:
    found = {
        p: [Entry(join_id(i + 1), b"x" * n) for i, n in enumerate(all_n)]
        for p, all_n in sizes.items()
    }
    kept = within_budget(dict(found), budget)
    assert kept.keys() == found.keys()
    for partition, entries in kept.items():
        assert entries
        assert entries == found[partition][: len(entries)]
        if len(entries) > 1:
            assert sum(len(e.payload) for e in entries) <= budget // len(found)


def test_dead_letters_are_capped_over_a_window() -> None:
    clock = ManualClock()
    limit = DeadLetterLimit(clock, DeadLetterCap(share=0.1, at_least=2, window_s=60))
    limit.admit(2)
    limit.buried(2)
    limit.passed(38)
    limit.admit(2)  # 4 of 40 is a tenth
    limit.buried(2)
    with pytest.raises(TooManyDeadLetters):
        limit.admit()
    clock._elapsed_s = 61.0
    with pytest.raises(TooManyDeadLetters, match="5 dead letters among 42 entries"):
        limit.admit()  # time alone heals nothing
    limit.resume()
    limit.admit(2)
    limit.buried(2)
    clock._elapsed_s = 122.0
    limit.admit(2)


def test_a_batch_counts_before_its_own_letters_are_refused() -> None:
    limit = DeadLetterLimit(ManualClock(), DeadLetterCap(share=0.1, at_least=2))
    limit.admit(10, entries=100)
    with pytest.raises(TooManyDeadLetters, match="11 dead letters among 100 entries in 600 s: all"):
        limit.admit(11, entries=100, about="all")


def test_the_batch_that_a_person_looked_at_passes_once() -> None:
    limit = DeadLetterLimit(ManualClock(), DeadLetterCap(share=0.1, at_least=2))
    for _ in range(2):
        with pytest.raises(TooManyDeadLetters):
            limit.admit(50, entries=50)
    limit.resume()
    limit.admit(50, entries=50)
    limit.admit(50, entries=50)  # what was admitted may fail to commit, and ask again
    limit.buried(50)
    limit.admit(2)
    limit.buried(2)
    with pytest.raises(TooManyDeadLetters):
        limit.admit(50, entries=50)


class SlowStream(MemoryStreamStore):
    def __init__(self) -> None:
        super().__init__()
        self.pipelines: list[int] = []
        self.fail = False

    async def append_many(self, entries):
        await asyncio.sleep(0.01)
        self.pipelines.append(len(entries))
        if self.fail:
            raise DependencyDown("STREAM_DOWN", "away")
        return await super().append_many(entries)


def placed(text: str, size: int = 0) -> list[PlacedEntry]:
    return [PlacedEntry("events", i % 2, NewEntry(text.encode() + b"x" * size)) for i in range(3)]


async def test_concurrent_appends_share_a_pipeline() -> None:
    stream = SlowStream()
    appender = GroupAppender(stream)
    first = asyncio.create_task(appender.append(placed("0")))
    await asyncio.sleep(0.005)
    ids = await asyncio.gather(*(appender.append(placed(f"{i}")) for i in range(1, 50)))
    ids.insert(0, await first)
    assert stream.pipelines == [3, 147]
    assert len({(i % 2, entry) for own in ids for i, entry in enumerate(own)}) == 150
    for i, own in enumerate(ids):
        found = await stream.range("events", 0, own[0], own[0])
        assert found[0].payload == f"{i}".encode()
    assert appender.waiting_bytes == 0


async def test_a_full_queue_pushes_back() -> None:
    appender = GroupAppender(SlowStream(), max_waiting_bytes=1000)
    first = asyncio.create_task(appender.append(placed("a", 500)))  # alone, it may be larger
    await asyncio.sleep(0)
    with pytest.raises(QuotaExceeded) as refused:
        await appender.append(placed("b"))
    assert refused.value.retry_after_s > 0
    await first
    await appender.append(placed("b"))


async def test_a_failure_reaches_everybody_in_the_pipeline_and_nobody_else() -> None:
    stream = SlowStream()
    appender = GroupAppender(stream)
    stream.fail = True
    results = await asyncio.gather(
        *(appender.append(placed("a")) for _ in range(3)), return_exceptions=True
    )
    assert all(isinstance(result, DependencyDown) for result in results)
    stream.fail = False
    assert len(await appender.append(placed("a"))) == 3


async def test_one_who_gives_up_does_not_hurt_the_others() -> None:
    appender = GroupAppender(SlowStream())
    tasks = [asyncio.create_task(appender.append(placed(f"{i}"))) for i in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    assert len(await tasks[1]) == 3
    await appender.aclose()
    assert tasks[0].cancelled()
    with pytest.raises(DependencyDown):
        await appender.append(placed("late"))


def test_the_fast_tier_has_no_network() -> None:
    with socket.socket() as probe:
        for reach in (probe.connect, probe.connect_ex, probe.bind):
            with pytest.raises(SocketBlocked):
                reach(("127.0.0.1", 9))
    left, right = socket.socketpair()
    left.send(b"x")
    assert right.recv(1) == b"x"
    left.close()
    right.close()


@pytest.mark.loopback
async def test_loopback_is_open_to_those_who_ask() -> None:
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    assert await reader.read() == b""
    writer.close()
    server.close()
    with socket.socket() as probe, pytest.raises(SocketBlocked):
        probe.connect(("192.0.2.1", 9))


async def test_an_append_whose_caller_left_is_not_sent():
    stream = MemoryStreamStore()
    gate = asyncio.Event()
    append_many = stream.append_many

    async def slow(entries):
        await gate.wait()
        return await append_many(entries)

    stream.append_many = slow
    appender = GroupAppender(stream)

    def one(payload):
        return asyncio.create_task(
            appender.append([PlacedEntry("events", 0, NewEntry(payload, 1, 1, None))])
        )

    first = one(b"first")
    await asyncio.sleep(0)
    left, last = one(b"left"), one(b"last")
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(first, last)
    assert appender.waiting_bytes == 0
    entries = (await stream.read({0: "0-0"}, "events"))[0]
    assert [entry.payload for entry in entries] == [b"first", b"last"]
