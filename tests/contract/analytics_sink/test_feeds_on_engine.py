"""Persons and traits as the feeds tell them, on the real engine."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import pytest

from siyu.event.v1.identity_change_pb2 import IdentityChange, IdentityChangeBatch
from siyu.event.v1.profile_change_pb2 import ProfileChange, ProfileChangeBatch
from siyu.type.v1.value_pb2 import StringList, Value
from siyu_analytics.app.apply_identity_changes import ApplyIdentityChanges
from siyu_analytics.app.apply_profile_changes import ApplyProfileChanges
from siyu_analytics.app.ports import Freshness, PersonsAt
from siyu_analytics.app.watermark import LiveWatermarks
from siyu_analytics.store.person_layers import dictionary_name
from siyu_analytics.store.person_map import EnginePersonMap
from siyu_analytics.store.progress import SqlFeedMarks, SqlProgress
from siyu_analytics.store.projections import EngineProjections
from siyu_analytics.store.schema import TraitType
from siyu_analytics.stream.feeds import IdentityFeed, ProfileFeed
from siyu_kit.clock import ManualClock, SystemClock
from siyu_kit.errors import DependencyDown
from siyu_kit.stream.port import NewEntry
from siyu_kit.stream.reader import PartitionReader


@dataclass
class Feeds:
    rig: object
    watermarks: LiveWatermarks
    persons: EnginePersonMap
    project: str
    sequence: int = 0

    async def moves(self, *moves: tuple[int, int, int]) -> int:
        """Identifiers move: (ident_no, from, to)."""
        self.sequence += 1
        batch = IdentityChangeBatch(project_id=self.project)
        for ident_no, from_no, to in moves:
            batch.changes.append(
                IdentityChange(
                    ident_no=ident_no, from_person_no=from_no, person_no=to, person_id=f"{to:032x}"
                )
            )
        entry = NewEntry(batch.SerializeToString())
        await self.rig.stream.append_at("identity", 0, self.sequence, entry)
        return self.sequence

    async def at_least(self, identity: int = 0, profile: int = 0) -> None:
        wanted = Freshness(0, identity, profile)
        await self.watermarks.wait(self.project, wanted, SystemClock().monotonic() + 40)

    async def person_of(self, *idents: int) -> list[int]:
        state = await self.watermarks.snapshot(self.project)
        return await self.mapped(state.identity_sequence, *idents)

    async def mapped(self, sequence: int, *idents: int) -> list[int]:
        return await self.looked_up(await self.persons.at(self.project, sequence), *idents)

    async def looked_up(self, asked: PersonsAt, *idents: int) -> list[int]:
        rows = await self.rig.engine.query(
            f"SELECT {asked.person} AS p FROM (SELECT arrayJoin({list(idents)})::UInt32"
            " AS ident_no)",
            {},
        )
        return rows.column("p").to_pylist()


@pytest.fixture(params=["plain", "it's \\ 'odd"])
async def feeds(rig, request) -> AsyncIterator[Feeds]:
    clock = SystemClock()
    projections = EngineProjections(rig.engine)
    persons = EnginePersonMap(rig.engine, clock)
    identity = IdentityFeed(ApplyIdentityChanges(projections, SqlFeedMarks()))
    profile = ProfileFeed(ApplyProfileChanges(projections))
    readers = [
        PartitionReader(rig.stream, rig.database, "identity", "analytics", identity),
        PartitionReader(rig.stream, rig.database, "profile", "analytics", profile),
    ]
    tasks = [asyncio.create_task(reader.run()) for reader in readers]
    project = f"{request.param}{uuid4().hex[:8]}"
    watermarks = LiveWatermarks(SqlProgress(rig.database), persons, clock)
    yield Feeds(rig, watermarks, persons, project)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_merge_and_split_change_the_map_and_the_population(feeds):
    await feeds.at_least(await feeds.moves(*((n, 0, n) for n in range(1, 6))))
    assert (await feeds.persons.at(feeds.project, 1)).person == "ident_no"
    assert await feeds.persons.persons(feeds.project) == 5
    await feeds.at_least(await feeds.moves((2, 2, 1), (3, 3, 1)))
    assert await feeds.person_of(1, 2, 3, 4) == [1, 1, 1, 4]
    assert await feeds.persons.persons(feeds.project) == 3
    await feeds.at_least(await feeds.moves((3, 1, 3)))
    assert await feeds.person_of(1, 2, 3, 4) == [1, 1, 3, 4]
    assert await feeds.persons.persons(feeds.project) == 4


async def test_layers_say_what_one_dictionary_would(feeds):
    """However often what moved is put below, and whenever: also for who asked just before."""
    clock = ManualClock()
    crowded = EnginePersonMap(feeds.rig.engine, clock, crowd=2)
    feeds.persons = crowded
    feeds.watermarks = LiveWatermarks(SqlProgress(feeds.rig.database), crowded, SystemClock())
    rng = random.Random(3)
    persons = {n: n for n in range(1, 10)}
    await feeds.at_least(await feeds.moves(*((n, 0, n) for n in persons)))
    kinds = set()
    for step in range(25):
        chosen = rng.sample(sorted(persons), rng.randint(1, 3))
        moves = [(n, persons[n], rng.choice([n, rng.randint(1, 9)])) for n in chosen]
        persons |= {n: person for n, _, person in moves}
        await feeds.at_least(await feeds.moves(*moves))
        asked = await crowded.at(feeds.project, feeds.sequence)
        expected = [persons[n] for n in range(1, 10)]
        assert await feeds.person_of(*range(1, 10)) == expected
        await crowded.tidy()
        assert await feeds.person_of(*range(1, 10)) == expected
        assert await feeds.looked_up(asked, *range(1, 10)) == expected
        kinds.add("_below" in asked.person)
        if step % 3 == 0:
            await clock.advance(301)
    assert kinds == {False, True}
    del asked
    await clock.advance(301)
    await crowded.tidy()
    rows = await feeds.rig.engine.query(
        "SELECT name FROM system.dictionaries WHERE name LIKE {n:String}",
        {"n": f"{dictionary_name(feeds.project)}%"},
    )
    assert len(rows) <= 2


async def test_a_map_that_is_large_at_the_start_is_layered_at_once(feeds):
    await feeds.at_least(await feeds.moves(*((n, 0, n) for n in range(1, 6))))
    await feeds.at_least(await feeds.moves((2, 2, 1), (3, 3, 1), (4, 4, 1)))
    clock = SystemClock()
    restarted = EnginePersonMap(feeds.rig.engine, clock, crowd=2)
    feeds.persons = restarted
    feeds.watermarks = LiveWatermarks(SqlProgress(feeds.rig.database), restarted, clock)
    await feeds.at_least(await feeds.moves((3, 1, 3)))
    assert "_below" in (await restarted.at(feeds.project, feeds.sequence)).person
    assert await feeds.person_of(1, 2, 3, 4, 5) == [1, 1, 3, 1, 5]
    await feeds.at_least(await feeds.moves((2, 1, 2), (5, 5, 1)))
    assert await feeds.person_of(1, 2, 3, 4, 5) == [1, 2, 3, 1, 1]


async def test_first_questions_at_once_find_one_map_after_a_restart(feeds):
    """Each finds what the process before has left, and none trips over what another drops."""
    await feeds.at_least(await feeds.moves((1, 0, 1), (2, 0, 2), (2, 2, 1)))
    left = feeds.persons  # holds its dictionary, as a killed process leaves it
    clock = SystemClock()
    feeds.persons = EnginePersonMap(feeds.rig.engine, clock)
    watermarks = LiveWatermarks(SqlProgress(feeds.rig.database), feeds.persons, clock)
    seen = await asyncio.gather(*(watermarks.snapshot(feeds.project) for _ in range(8)))
    assert {snapshot.identity_sequence for snapshot in seen} == {feeds.sequence}
    assert await feeds.mapped(feeds.sequence, 1, 2) == [1, 1]
    del left


async def test_a_change_is_seen_within_two_seconds_unasked(feeds):
    await feeds.at_least(await feeds.moves((1, 0, 1), (2, 0, 2), (2, 2, 1)))
    await feeds.moves((2, 1, 2))
    async with asyncio.timeout(2):
        while await feeds.persons.persons(feeds.project) != 2:
            await asyncio.sleep(0.05)
            await feeds.watermarks.snapshot(feeds.project)


async def test_changes_applied_twice_change_nothing(feeds):
    await feeds.at_least(await feeds.moves((1, 0, 1), (2, 0, 2)))
    again = await feeds.moves((2, 2, 1))
    await feeds.at_least(again)
    for table in ("person_map", "person"):
        await feeds.rig.engine.command(
            f"INSERT INTO {table} SELECT * FROM {table} WHERE project_id = {{p:String}}",
            {"p": feeds.project},
        )
    await feeds.at_least(await feeds.moves((3, 0, 1)))
    assert await feeds.person_of(1, 2, 3) == [1, 1, 1]
    assert await feeds.persons.persons(feeds.project) == 1


async def test_what_is_not_there_in_time_is_said(feeds):
    with pytest.raises(DependencyDown) as caught:
        await feeds.watermarks.wait(feeds.project, Freshness(0, 9), SystemClock().monotonic() + 0.1)
    assert caught.value.reason == "NOT_FRESH"
    assert caught.value.metadata == {"what": "identity_sequence", "asked": "9", "reached": "0"}


async def test_traits_keep_their_type(feeds):
    values = [
        Value(string_value="金卡"),
        Value(number_value=2.5),
        Value(bool_value=True),
        Value(time_ms_value=1_760_000_000_001),
        Value(list_value=StringList(values=["a", "b"])),
        None,
    ]
    changes = [
        ProfileChange(person_no=n, trait="t", value=value, valid_from_ms=1_760_000_000_123)
        for n, value in enumerate(values)
    ]
    batch = ProfileChangeBatch(project_id=feeds.project, changes=changes)
    await feeds.rig.stream.append_at("profile", 0, 1, NewEntry(batch.SerializeToString()))
    await feeds.at_least(profile=1)
    rows = await feeds.rig.engine.query(
        "SELECT type, string_value, number_value, bool_value, time_ms, list_value,"
        " toUnixTimestamp64Milli(valid_from) AS at"
        " FROM trait WHERE project_id = {p:String} ORDER BY person_no",
        {"p": feeds.project},
    )
    at = 1_760_000_000_123
    assert [tuple(row.values()) for row in rows.to_pylist()] == [
        (TraitType.STRING, "金卡", 0.0, False, 0, [], at),
        (TraitType.NUMBER, "", 2.5, False, 0, [], at),
        (TraitType.BOOL, "", 0.0, True, 0, [], at),
        (TraitType.TIME, "", 0.0, False, 1_760_000_000_001, [], at),
        (TraitType.LIST, "", 0.0, False, 0, ["a", "b"], at),
        (TraitType.ABSENT, "", 0.0, False, 0, [], at),
    ]
