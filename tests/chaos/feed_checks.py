"""Feeds: dense, whole, and folded from the beginning they are the state of all who read."""

from collections import defaultdict
from typing import Any

from pyroaring import BitMap
from sqlalchemy import Select, select, text

from chaos.journal import Journal
from chaos.settling import FEEDS
from chaos.world import LOOP, World
from siyu.event.v1.identity_change_pb2 import IdentityChangeBatch
from siyu.event.v1.membership_change_pb2 import MembershipChangeBatch
from siyu.event.v1.profile_change_pb2 import ProfileChangeBatch
from siyu_kit.sql.tables import feed, outbox
from siyu_kit.stream.port import START

Map = dict[tuple[str, int], int]
"""(project, identifier number) -> person number."""


def payloads(topic: str) -> Select[Any]:
    """The numbered rows of a feed, in order."""
    return (
        select(outbox.c.payload)
        .where(outbox.c.topic == topic, outbox.c.sequence.is_not(None))
        .order_by(outbox.c.sequence)
    )


async def feeds(world: World, rows: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Every feed against every state that follows from it."""
    findings = [finding for name in FEEDS for finding in await _dense(world, name)]
    findings += await _identity(world, rows)
    findings += await _profile(world, rows)
    findings += await _segment(world)
    return findings


async def _dense(world: World, name: str) -> list[str]:
    """Numbers 1, 2, 3 ... without a hole, all published, and what is in the stream is the same."""
    topic = FEEDS[name]
    async with world.stores[name].session() as session:
        rows = await session.execute(
            select(outbox.c.sequence, outbox.c.payload)
            .where(outbox.c.topic == topic.name)
            .order_by(outbox.c.sequence)
        )
        numbered = {row.sequence: row.payload for row in rows}
        head = (
            await session.execute(
                select(feed.c.sequence, feed.c.published).where(feed.c.topic == topic.name)
            )
        ).first()
    expected = set(range(1, len(numbered) + 1))
    findings = []
    if set(numbered) != expected:
        findings.append(f"the {name} feed is not dense: {sorted(set(numbered) ^ expected)[:5]}")
    if head is not None and not head.sequence == head.published == len(numbered):
        findings.append(f"the {name} feed has {len(numbered)} rows, its marks are {head}")
    if name == "touch":
        return findings
    last, streamed = 0, 0
    position = START
    while entries := await world.stream.range(topic.name, 0, f"({position}", "+", 500):
        for entry in entries:
            if last and entry.sequence != last + 1:
                findings.append(f"the {name} stream jumps from {last} to {entry.sequence}")
            if numbered.get(entry.sequence) != entry.payload:
                findings.append(f"the {name} stream says something else at {entry.sequence}")
            last, streamed, position = entry.sequence, streamed + 1, entry.id
    if streamed and last != len(numbered):
        findings.append(f"the {name} stream ends at {last} of {len(numbered)}")
    return findings


async def _identity(world: World, rows: dict[str, list[dict[str, Any]]]) -> list[str]:
    folded: Map = {}
    async with world.stores["identity"].session() as session:
        for payload in await session.scalars(payloads("identity")):
            batch = IdentityChangeBatch.FromString(payload)
            folded |= {(batch.project_id, c.ident_no): c.person_no for c in batch.changes}
        truth = _map(
            await session.execute(text("SELECT project_id, ident_no, person_no FROM ident"))
        )
    async with world.stores["profile"].session() as session:
        mapped = _map(
            await session.execute(text("SELECT project_id, ident_no, person_no FROM person_map"))
        )
    engine = {(r["project_id"], r["ident_no"]): r["person_no"] for r in rows["person_map"]}
    return [
        *_same("the folded identity feed and identity's persons", folded, truth),
        *_same("profile's map and identity's persons", mapped, truth),
        *_same("the engine's map and identity's persons", engine, truth),
    ]


async def _profile(world: World, rows: dict[str, list[dict[str, Any]]]) -> list[str]:
    folded: dict[tuple[str, int, str], float | bool | None] = {}
    async with world.stores["profile"].session() as session:
        for payload in await session.scalars(payloads("profile")):
            batch = ProfileChangeBatch.FromString(payload)
            for change in batch.changes:
                kind = change.value.WhichOneof("kind") if change.HasField("value") else None
                value = getattr(change.value, kind) if kind else None
                folded[batch.project_id, change.person_no, change.trait] = value
    engine = {
        (r["project_id"], r["person_no"], r["trait"]): {0: None, 2: r["number"], 3: r["truth"]}[
            r["type"]
        ]
        for r in rows["traits"]
    }
    return _same("the folded profile feed and the engine's traits", folded, engine)


async def _segment(world: World) -> list[str]:
    folded: dict[str, BitMap] = defaultdict(BitMap)
    async with world.stores["segment"].session() as session:
        for payload in await session.scalars(payloads("segment")):
            batch = MembershipChangeBatch.FromString(payload)
            members = folded[batch.segment_id]
            entered, left = BitMap(batch.entered_person_nos), BitMap(batch.left_person_nos)
            if entered & members or left - members:
                return [f"segment {batch.segment_id}: somebody enters twice or leaves from outside"]
            folded[batch.segment_id] = (members | entered) - left
        published = await session.execute(
            text(
                "SELECT s.segment_id, r.members FROM segment s JOIN segment_run r"
                " ON r.project_id = s.project_id AND r.run_id = s.published_run_id"
            )
        )
        truth = {row.segment_id: BitMap.deserialize(row.members) for row in published}
    return [
        f"segment {segment_id}: the folded feed has {len(folded[segment_id])} members,"
        f" the published run {len(members)}"
        for segment_id, members in truth.items()
        if folded[segment_id] != members
    ]


async def increments(world: World, journal: Journal) -> list[str]:
    """Increments by one, whoever they belong to by now: none lost, none twice."""
    total = 0.0
    async with world.stores["profile"].session() as session:
        latest: dict[tuple[int, str], float] = {}
        for payload in await session.scalars(payloads("profile")):
            batch = ProfileChangeBatch.FromString(payload)
            if batch.project_id != LOOP:
                continue
            for change in batch.changes:
                if change.trait == "visits":
                    value = change.value.number_value if change.HasField("value") else 0.0
                    latest[change.person_no, change.trait] = value
        total = sum(latest.values())
    if total != journal.increments:
        return [f"{journal.increments} increments were answered OK, the profiles add up to {total}"]
    return []


def _map(rows: Any) -> Map:
    return {(row.project_id, row.ident_no): row.person_no for row in rows}


def _same(what: str, left: dict[Any, Any], right: dict[Any, Any]) -> list[str]:
    wrong = [key for key in left.keys() | right.keys() if left.get(key) != right.get(key)]
    if not wrong:
        return []
    shown = [(key, left.get(key), right.get(key)) for key in sorted(wrong, key=str)[:3]]
    return [f"{what} differ in {len(wrong)}: {shown}"]
