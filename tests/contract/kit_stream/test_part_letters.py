import pytest

from siyu_kit.clock import ManualClock
from siyu_kit.errors import InvalidInput
from siyu_kit.sql.engine import Database
from siyu_kit.stream import dead_letters
from siyu_kit.stream.dead_letter_limit import DeadLetterCap, DeadLetterLimit, TooManyDeadLetters
from siyu_kit.stream.part_letters import Part, PartLetters
from siyu_kit.stream.port import Entry


def part(entry: str, reason: str = "BAD") -> Part:
    return Part(Entry(f"{entry}-0", b"whole", 5), b"part", "p", reason, "why")


async def test_parts_are_told_of_once_they_are_committed(database: Database) -> None:
    told: list[str] = []
    limit = DeadLetterLimit(ManualClock(), DeadLetterCap(at_least=2))
    letters = PartLetters("r", "events", told.append, limit)
    parts = [part("1"), part("1"), part("2")]
    with pytest.raises(RuntimeError):  # noqa: PT012 - the transaction fails
        async with database.transaction() as session:
            await letters.record(session, 3, parts, entries=2)
            raise RuntimeError
    assert told == []
    async with database.transaction() as session:
        await letters.record(session, 3, parts, entries=2)
    assert told == ["BAD"] * 3
    async with database.session() as session:
        kept = await dead_letters.list_letters(session)
    assert [(k.partition, k.entry.id, k.entry.payload, k.entry.count) for k in kept] == [
        (3, "1-0", b"part", 1), (3, "1-0", b"part", 1), (3, "2-0", b"part", 1),
    ]  # fmt: skip
    with pytest.raises(TooManyDeadLetters, match="BAD of project p, partition 3"):
        async with database.transaction() as session:
            await letters.record(session, 3, [part("3")], entries=1)


async def test_what_is_one_projects_doing_is_under_no_cap(database: Database) -> None:
    told: list[str] = []
    limit = DeadLetterLimit(ManualClock(), DeadLetterCap(at_least=1))
    letters = PartLetters("r", "events", told.append, limit)
    parts = [part(str(n), "OWN") for n in range(9)] + [part("9")]
    async with database.transaction() as session:
        await letters.record(session, 0, parts, entries=10, uncapped=frozenset({"OWN"}))
    assert (told.count("OWN"), told.count("BAD"), limit.stopped) == (9, 1, "")


async def test_a_letter_that_is_replayed_in_vain_stays_open(database: Database) -> None:
    letters = PartLetters("r", "events", lambda _reason: None)
    async with database.transaction() as session:
        await letters.record(session, 0, [], entries=1)
        with pytest.raises(InvalidInput, match="why"):
            await letters.record(session, 0, [part("1")], entries=1)
    async with database.session() as session:
        assert await dead_letters.list_letters(session) == []
