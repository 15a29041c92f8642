"""What every implementation of the stream port must do.

Subclass it in a test module and give it a ``stream`` fixture with an empty store.
"""

import asyncio

import pytest

from siyu_kit.errors import DataLoss
from siyu_kit.stream.port import START, Entry, NewEntry, PlacedEntry, StreamStore, is_before
from siyu_kit.stream.topics import EVENTS


async def read_all(
    stream: StreamStore, topic: str, partition: int, position: str = START
) -> list[Entry]:
    """Everything after the position, however many reads that takes."""
    entries: list[Entry] = []
    while found := await stream.read({partition: position}, topic, count=100):
        entries += found[partition]
        position = entries[-1].id
    return entries


class StreamContract:
    """The suite; every method is a promise of ``siyu_kit.stream.port``."""

    async def test_entries_come_back_in_order_with_all_their_fields(
        self, stream: StreamStore
    ) -> None:
        """Append, then read from the start."""
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        entries = [NewEntry(b"\x00\xff", 7, 5, trace), NewEntry(b""), NewEntry(b"c", kinds=1)]
        ids = await stream.append("events", 0, entries)
        found = await read_all(stream, "events", 0)
        assert [entry.id for entry in found] == ids
        assert [(e.payload, e.count, e.kinds, e.trace) for e in found] == [
            (b"\x00\xff", 7, 5, trace),
            (b"", 1, 0, None),
            (b"c", 1, 1, None),
        ]
        assert is_before(ids[0], ids[1])
        assert is_before(ids[1], ids[2])
        assert await stream.tail("events", 0) == ids[-1]
        assert await stream.length("events", 0) == 3

    async def test_an_empty_stream(self, stream: StreamStore) -> None:
        """Nothing appended yet."""
        assert await stream.read({0: START}, "events") == {}
        assert await stream.read({}, "events") == {}
        assert await stream.tail("events", 0) == START
        assert await stream.floor("events", 0) == START
        assert await stream.length("events", 0) == 0
        assert await stream.append("events", 0, []) == []
        assert await stream.trim("events", 0) == 0

    async def test_reading_resumes_after_a_position(self, stream: StreamStore) -> None:
        """The position itself is not read again."""
        ids = await stream.append("events", 0, [NewEntry(b"%d" % i) for i in range(250)])
        found = await read_all(stream, "events", 0, ids[99])
        assert [entry.id for entry in found] == ids[100:]

    async def test_partitions_are_apart_and_read_together(self, stream: StreamStore) -> None:
        """One call serves several partitions; those without entries are left out."""
        ids = await stream.append_many(
            [
                PlacedEntry("events", 0, NewEntry(b"a")),
                PlacedEntry("events", 2, NewEntry(b"b")),
                PlacedEntry("events", 0, NewEntry(b"c")),
                PlacedEntry("identity", 0, NewEntry(b"other topic")),
            ]
        )
        found = await stream.read({0: START, 1: START, 2: START}, "events")
        assert {p: [e.payload for e in entries] for p, entries in found.items()} == {
            0: [b"a", b"c"],
            2: [b"b"],
        }
        assert [entry.id for entry in found[0]] == [ids[0], ids[2]]

    async def test_reads_are_bounded(self, stream: StreamStore) -> None:
        """By entries, and by bytes with at least one entry."""
        await stream.append("events", 0, [NewEntry(b"x" * 1000) for _ in range(60)])
        for _ in range(3):  # the size of entries may have to be learned first
            assert len((await stream.read({0: START}, "events", count=7))[0]) <= 7
            assert len((await stream.read({0: START}, "events", max_bytes=5_500))[0]) <= 5
            assert len((await stream.read({0: START}, "events", max_bytes=10))[0]) == 1

    async def test_a_blocked_read_wakes_on_append(self, stream: StreamStore) -> None:
        """It returns with the entry, long before the wait is over."""
        reading = asyncio.create_task(stream.read({0: START, 1: START}, "events", block_ms=20_000))
        await asyncio.sleep(0.05)
        assert not reading.done()
        await stream.append("events", 1, [NewEntry(b"a")])
        async with asyncio.timeout(5):
            found = await reading
        assert [entry.payload for entry in found[1]] == [b"a"]

    async def test_a_blocked_read_gives_up(self, stream: StreamStore) -> None:
        """After the time given, without anything; a cancelled one harms nobody."""
        assert await stream.read({0: START}, "events", block_ms=20) == {}
        reading = asyncio.create_task(stream.read({0: START}, "events", block_ms=20_000))
        await asyncio.sleep(0.02)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await stream.append("events", 0, [NewEntry(b"a")])
        assert await read_all(stream, "events", 0)

    async def test_appending_at_a_sequence_is_idempotent(self, stream: StreamStore) -> None:
        """The second time nothing is added and nothing raised."""
        assert await stream.append_at("identity", 0, 1, NewEntry(b"a"))
        assert not await stream.append_at("identity", 0, 1, NewEntry(b"a"))
        run = [NewEntry(b"a"), NewEntry(b"b"), NewEntry(b"c")]
        assert await stream.append_run("identity", 0, 1, run) == 2
        found = await read_all(stream, "identity", 0)
        assert [(entry.sequence, entry.payload) for entry in found] == [
            (1, b"a"),
            (2, b"b"),
            (3, b"c"),
        ]

    async def test_another_payload_under_a_sequence_is_an_alarm(self, stream: StreamStore) -> None:
        """Two relays that number differently must not go unnoticed."""
        await stream.append_at("identity", 0, 1, NewEntry(b"a"))
        with pytest.raises(DataLoss):
            await stream.append_at("identity", 0, 1, NewEntry(b"b"))

    async def test_a_range_is_inclusive(self, stream: StreamStore) -> None:
        """Both ends belong to it."""
        await stream.append_run("identity", 0, 1, [NewEntry(b"%d" % i) for i in range(1, 6)])
        found = await stream.range("identity", 0, "2-0", "4-0")
        assert [entry.sequence for entry in found] == [2, 3, 4]
        assert len(await stream.range("identity", 0, "1-0", "9-0", count=2)) == 2

    async def test_trimming_waits_for_every_declared_reader(self, stream: StreamStore) -> None:
        """It keeps what the slowest has not committed, and everything until all have reported."""
        ids = await stream.append("events", 0, [NewEntry(b"%d" % i) for i in range(10)])
        readers = sorted(EVENTS.readers)
        for reader in readers[1:]:
            await stream.report_position("events", 0, reader, ids[8])
        assert await stream.trim("events", 0) == 0
        await stream.register_reader("events", 0, readers[0])
        assert await stream.trim("events", 0) == 0
        await stream.report_position("events", 0, readers[0], ids[3])
        await stream.register_reader("events", 0, readers[0])
        assert await stream.trim("events", 0) == 3
        assert [entry.id for entry in await read_all(stream, "events", 0)] == ids[3:]
        assert await stream.floor("events", 0) == ids[3]
        assert await stream.reported("events", 0) == {
            reader: ids[3] if reader == readers[0] else ids[8] for reader in readers
        }

    async def test_trimming_never_forgets_the_last_id(self, stream: StreamStore) -> None:
        """A stream trimmed to its last entry goes on where it was."""
        await stream.append_run("identity", 0, 1, [NewEntry(b"a"), NewEntry(b"b")])
        for reader in ("analytics", "profile"):
            await stream.report_position("identity", 0, reader, "2-0")
        assert await stream.trim("identity", 0) == 1
        assert await stream.tail("identity", 0) == "2-0"
        assert not await stream.append_at("identity", 0, 2, NewEntry(b"b"))
        assert await stream.append_at("identity", 0, 3, NewEntry(b"c"))

    async def test_entries_and_counters_are_one_step(self, stream: StreamStore) -> None:
        """What is counted can be read, of one moment."""
        entries = [PlacedEntry("events", n % 2, NewEntry(b"x", project_id="p")) for n in range(3)]
        first = await stream.append_counted(entries, {"d:p:accepted": 3})
        assert first.totals == {"d:p:accepted": 3}
        alone = await stream.append_counted([], {"d:p:accepted": 1, "d:p:refused.X": 2})
        assert (list(alone.ids), alone.totals) == ([], {"d:p:accepted": 4, "d:p:refused.X": 2})
        cut = await stream.cut("events", 3)
        assert cut.counters == {"d:p:accepted": 4, "d:p:refused.X": 2}
        assert cut.tails == {0: first.ids[2], 1: first.ids[1], 2: START}
        assert [e.project_id for e in await read_all(stream, "events", 0)] == ["p", "p"]

    async def test_ids_can_be_made_to_go_on_above_one(self, stream: StreamStore) -> None:
        """Of a stream that was lost, too; what stands there stays, and nothing goes back."""
        far = f"{2**50}-7"
        await stream.forward("events", 0, far)
        await stream.forward("events", 0, "1-0")
        assert await stream.tail("events", 0) == far
        assert await read_all(stream, "events", 0) == []
        [later] = await stream.append("events", 0, [NewEntry(b"a")])
        assert is_before(far, later)
        assert await stream.holds("events", 0, later)
        assert not await stream.holds("events", 0, far)

    async def test_undeclared_readers_are_refused(self, stream: StreamStore) -> None:
        """Trimming would not wait for them."""
        with pytest.raises(ValueError, match="not declared"):
            await stream.report_position("events", 0, "stranger", START)
        with pytest.raises(ValueError, match="not declared"):
            await stream.register_reader("segment", 0, "analytics-typo")

    async def test_concurrent_appends_are_all_kept(self, stream: StreamStore) -> None:
        """Each id is given once."""
        batches = await asyncio.gather(
            *(stream.append("events", 0, [NewEntry(b"%d.%d" % (i, j)) for j in range(5)])
              for i in range(20))
        )  # fmt: skip
        ids = [entry_id for batch in batches for entry_id in batch]
        found = await read_all(stream, "events", 0)
        assert len(set(ids)) == 100
        assert {entry.id for entry in found} == set(ids)
