"""Holds the platform to its promises while the load is held: what was promised, and what is there.

Each check gives findings, sentences that say what is wrong; no findings, no fault.
"""

import asyncio
import json
import signal
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from chaos import feed_checks, send_checks
from chaos.campaigns import Campaigns
from chaos.journal import Journal
from chaos.settling import settled
from chaos.world import LOAD, LOOP, World
from siyu.analytics.v1 import analytics_service_pb2 as analytics_pb
from siyu_kit.sql.tables import dead_letter
from siyu_touch.domain.touch_event import from_payload

SHOWN = 5


@dataclass
class Books:
    """Everything that is compared, read once."""

    events: dict[str, Counter[str]]
    """By project, how often each message id stands in the store."""
    rows: dict[str, list[dict[str, Any]]]
    """The engine's answers, see ``engine_dump``."""


async def verify(
    world: World,
    journal: Journal,
    campaigns: Campaigns,
    letters: Counter[str],
    *,
    flushed: bool,
) -> list[str]:
    """All checks; the load must be held. Analytics is stopped for a moment: its store is read.

    ``letters`` says how many dead letters each reader must have, ``flushed`` whether the stream
    server was emptied before.
    """
    await settled(world)
    findings = list(journal.findings)
    findings += await send_checks.sends(world, campaigns)
    marks = {project: await _watermark(world, journal, project) for project in (LOAD, LOOP)}
    books = await _books(world)
    findings += _exactly_once(journal, books)
    findings += _counters(journal, marks, books)
    findings += await _account(world, journal, books, flushed=flushed)
    findings += await _touch_events(world, books)
    findings += await feed_checks.feeds(world, books.rows)
    findings += await feed_checks.increments(world, journal)
    findings += await _dead_letters(world, letters)
    return findings


async def _account(world: World, journal: Journal, books: Books, *, flushed: bool) -> list[str]:
    """The platform's own account of the plain project balances, and is what the senders saw.

    After a flush the ledgers of doors that had died are gone: what they took in is there all the
    same, and stands as unaccounted.
    """
    request = analytics_pb.GetReconciliationRequest(project_id=LOAD)
    said = await journal.ask("GetReconciliation", world.client.analytics.GetReconciliation, request)
    stored = sum(books.events[LOAD].values())
    refused = sum(row.count for row in said.refused)
    low, high = journal.ok_messages[LOAD], journal.asked_messages[LOAD]
    taken = said.accepted + said.unaccounted
    rules = {
        "nothing is lost": said.lost == 0,
        "nothing waits": said.pending == 0,
        "stored is what is stored": said.stored == stored,
        "all was taken": low <= taken <= high,
        "every event is one or the other": taken + said.replayed
        == said.stored + said.duplicates + said.passed + said.dead_lettered + said.lost,
        "received is accepted and refused": said.received == said.accepted + refused,
        "it balances": said.balanced or flushed,
    }
    broken = [rule for rule, holds in rules.items() if not holds]
    return [f"the account: not true that {rule}: {said}" for rule in broken]


async def _books(world: World) -> Books:
    """Stop analytics, read its store, start it again."""
    world.signal("analytics", signal.SIGTERM)
    if not await world.died("analytics", 40):
        raise AssertionError(f"analytics does not stop:\n{world.tail('analytics')}")
    reader = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("engine_dump.py")),
        str(world.platform.folder / "analytics" / "engine"),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await reader.communicate()
    assert reader.returncode == 0, "the store cannot be read"
    assert await world.start("analytics"), world.tail("analytics")
    rows = json.loads(output)
    events: dict[str, Counter[str]] = {LOAD: Counter(), LOOP: Counter()}
    for row in rows["events"]:
        events[row["project_id"]][row["message_id"]] += row["n"]
    return Books(events, rows)


def _exactly_once(journal: Journal, books: Books) -> list[str]:
    """Every event that was answered OK is stored, and none twice."""
    findings: list[str] = []
    for project, stored in books.events.items():
        sent = {key for key, of in journal.acknowledged.items() if of == project}
        own = {key for key in stored if key[:2] in {"g-", "h-"}}
        doubled = [key for key, number in stored.items() if number != 1]
        findings += _differ(f"{project}: events answered OK and not stored", sent - own)
        # An actor notes what was answered; all are answered when the load is held.
        findings += _differ(f"{project}: events stored that nobody was told of", own - sent)
        findings += _differ(f"{project}: events stored more than once", doubled)
    seen = books.rows["seen"][0]
    stored_n = sum(sum(stored.values()) for stored in books.events.values())
    if not seen["n"] == seen["distinct"] == stored_n:
        findings.append(f"seen has {seen['n']} rows for {stored_n} events")
    return findings


def _counters(
    journal: Journal, marks: dict[str, analytics_pb.GetWatermarkResponse], books: Books
) -> list[str]:
    """The counters say what is in the store, and account for everything that was sent."""
    findings: list[str] = []
    for project, mark in marks.items():
        stored = sum(books.events[project].values())
        if mark.events != stored:
            findings.append(f"{project}: {stored} events stored, {mark.events} counted")
    # In the project of plain events nothing but the senders' messages comes in.
    taken = marks[LOAD].events + marks[LOAD].duplicates
    low, high = journal.ok_messages[LOAD], journal.asked_messages[LOAD]
    if not low <= taken <= high:
        findings.append(f"{taken} stored or dropped; {low} were answered OK, {high} sent")
    return findings


async def _touch_events(world: World, books: Books) -> list[str]:
    """What touch told came back, each thing once."""
    told: set[str] = set()
    async with world.stores["touch"].session() as session:
        for payload in await session.scalars(feed_checks.payloads("touch")):
            told |= {event.message_id for event in from_payload(payload)}
    back = {key for key in books.events[LOOP] if key[:2] not in {"g-", "h-"}}
    return [
        *_differ("touch events that did not come back", told - back),
        *_differ("touch events that nobody told", back - told),
    ]


async def _watermark(
    world: World, journal: Journal, project: str
) -> analytics_pb.GetWatermarkResponse:
    request = analytics_pb.GetWatermarkRequest(project_id=project)
    answer: analytics_pb.GetWatermarkResponse = await journal.ask(
        "GetWatermark", world.client.analytics.GetWatermark, request
    )
    return answer


async def _dead_letters(world: World, letters: Counter[str]) -> list[str]:
    """Dead letters are those that were planted, and no others."""
    found: Counter[str] = Counter()
    for name in ("identity", "profile", "analytics"):
        async with world.stores[name].session() as session:
            found[name] = len((await session.execute(select(dead_letter.c.id))).all())
    wrong = {name for name in found | letters if found[name] != letters[name]}
    return [f"{name}: {found[name]} dead letters, {letters[name]} planted" for name in wrong]


def _differ(what: str, keys: Iterable[str]) -> list[str]:
    listed = sorted(keys)
    return [f"{what}: {len(listed)}, such as {listed[:SHOWN]}"] if listed else []
