"""The account over the in-memory stream and real chDB, and its store on both databases."""

import pytest

from siyu.event.v1.event_pb2 import EVENT_KIND_PROFILE_SET, EventBatch
from siyu_analytics.app.reconcile import Reconcile
from siyu_analytics.app.reconciliation import Account
from siyu_analytics.app.sink_ports import StoredCount
from siyu_analytics.store.ledger import SqlLedger
from siyu_analytics.store.tables import ProjectEventsRow
from siyu_kit.clock import ManualClock
from siyu_kit.errors import DataLoss
from siyu_kit.sql import positions
from siyu_kit.sql.engine import Database
from siyu_kit.stream import dead_letters
from siyu_kit.stream.dead_letter_changes import Note
from siyu_kit.stream.dead_letter_limit import DeadLetterCap, DeadLetterLimit, TooManyDeadLetters
from siyu_kit.stream.ledger import ACCEPTED, REFUSED, DoorLedger
from siyu_kit.stream.memory import MemoryStreamStore
from siyu_kit.stream.port import NewEntry, PlacedEntry
from siyu_kit.stream.replay import AppendAgain
from siyu_kit.stream.topics import Kind
from siyu_kit.testing.migrated import migrated
from support.analytics_events import track
from support.tree import ROOT

MIGRATIONS = ROOT / "services" / "analytics" / "migrations"
NOW = 1_790_000_000_000


async def take(ledger, project, *events, kinds=Kind.TRACK, refused=0):
    """What the door does with a batch."""
    batch = EventBatch(events=events)
    entry = NewEntry(batch.SerializeToString(), len(events), kinds, project_id=project)
    tallies = {(project, ACCEPTED): len(events)}
    if refused:
        tallies[project, REFUSED + "NO_IDENTIFIER"] = refused
    await ledger.append([PlacedEntry("events", 0, entry)], tallies)


def sums(account: Account) -> tuple[int, ...]:
    handled = account.handled
    return (
        account.received, account.accepted, account.replayed, handled.stored, handled.duplicates,
        handled.passed, handled.dead_lettered, account.pending, account.lost,
    )  # fmt: skip


async def test_everything_taken_in_is_somewhere(rig):
    project = rig.project
    ledger = DoorLedger(rig.stream, "events", 1)
    reconcile = Reconcile(SqlLedger(rig.database), rig.stream, 1, ManualClock(NOW))
    assert sums(await reconcile.account(project)) == (0,) * 9
    nameless = track(project, 9, user=0)
    nameless.ids[0].value = "nobody"  # the peer refuses it a number
    traits = track(project, 4)
    traits.kind = EVENT_KIND_PROFILE_SET
    await take(ledger, project, track(project, 1), track(project, 2), track(project, 1), refused=3)
    await take(ledger, project, traits, nameless, kinds=Kind.TRACK | Kind.PROFILE)
    await take(ledger, project, traits, traits, kinds=Kind.PROFILE)
    assert sums(await reconcile.account(project)) == (10, 7, 0, 0, 0, 0, 0, 7, 0)
    owned = await rig.owned()
    await rig.deliver(rig.sink(), owned)
    account = await reconcile.account(project)
    assert sums(account) == (10, 7, 0, 2, 1, 3, 1, 0, 0)
    assert account.refused == {"NO_IDENTIFIER": 3}
    assert account.balanced
    # The letter is mended and replayed through the stream; a second time is a duplicate.
    async with rig.database.session() as session:
        [letter] = await dead_letters.list_letters(session, project_id=project)
    event = EventBatch.FromString(letter.entry.payload).events[0]
    event.ids[0].value = "u7"
    mended = EventBatch(events=[event]).SerializeToString()
    async with rig.database.transaction() as session:
        assert await dead_letters.replace_payload(session, letter.id, mended, 1)
        letter = await dead_letters.find(session, letter.id)
    again = AppendAgain(rig.database, DoorLedger(rig.stream, "events", 1), Kind.TRACK)
    await again(letter, Note("user:steward", "mended"))
    assert sums(await reconcile.account(project)) == (10, 7, 1, 2, 1, 3, 1, 1, 0)
    await rig.deliver(rig.sink(), owned)
    account = await reconcile.account(project)
    assert sums(account) == (10, 7, 1, 3, 1, 3, 1, 0, 0)
    assert account.balanced
    assert len(await rig.rows()) == 3


async def test_what_the_stream_forgets_is_lost_unless_it_was_read(rig):
    project = rig.project
    ledger = DoorLedger(rig.stream, "events", 1)
    reconcile = Reconcile(SqlLedger(rig.database), rig.stream, 1, ManualClock(NOW))
    owned = await rig.owned()
    await take(ledger, project, track(project, 1), track(project, 2))
    await rig.deliver(rig.sink(), owned)
    await take(ledger, project, track(project, 3), track(project, 4), track(project, 5))
    rig.stream.lose("events", 0)
    await ledger.compare()  # what a door does when the server became another
    account = await reconcile.account(project)
    assert sums(account) == (5, 5, 0, 2, 0, 0, 0, 0, 3)
    assert not account.balanced
    await take(ledger, project, track(project, 6))
    await rig.deliver(rig.sink(), owned)
    assert sums(await reconcile.account(project)) == (6, 6, 0, 3, 0, 0, 0, 0, 3)


async def test_a_door_that_dies_with_the_server_leaves_something_unaccounted(rig):
    project = rig.project
    owned = await rig.owned()
    await take(DoorLedger(rig.stream, "events", 1), project, track(project, 1), track(project, 2))
    await rig.deliver(rig.sink(), owned)
    rig.stream.lose("events", 0)
    reconcile = Reconcile(SqlLedger(rig.database), rig.stream, 1, ManualClock(NOW))
    account = await reconcile.account(project)
    assert (account.accepted, account.handled.stored, account.unaccounted) == (0, 2, 2)
    assert not account.balanced


async def test_too_many_bad_events_stop_the_sink_and_a_steward_lets_it_go_on(rig):
    project = rig.project
    limit = DeadLetterLimit(ManualClock(), DeadLetterCap(at_least=2))
    events = [track(project, n) for n in range(5)]
    for event in events[:3]:
        event.ids[0].value = "nobody"
    await take(DoorLedger(rig.stream, "events", 1), project, *events)
    owned = await rig.owned()
    sink = rig.sink(limit=limit)
    for _ in range(2):
        with pytest.raises(TooManyDeadLetters, match=f"3 IDENTIFIER_REFUSED of project {project}"):
            await rig.deliver(sink, owned)
    async with rig.database.session() as session:
        assert await dead_letters.list_letters(session, project_id=project) == []
    limit.resume()
    await rig.deliver(sink, owned)
    async with rig.database.session() as session:
        assert len(await dead_letters.list_letters(session, project_id=project)) == 3
    assert rig.dead_lettered == ["IDENTIFIER_REFUSED"] * 3
    assert await rig.counts() == (2, 0)


async def test_the_books_are_one_snapshot_and_the_ledger_only_grows(database_url):
    await migrated(database_url, MIGRATIONS)
    database = Database(database_url)
    store = SqlLedger(database)
    try:
        await store.merge({"a:demo:accepted": 5, "b:demo:accepted": 2, "a:demo:refused.X": 1})
        await SqlLedger(database).merge({"a:demo:accepted": 3, "b:demo:accepted": 4})
        assert await store.taken() == {"demo": {"accepted": 9, "refused.X": 1}}
        async with database.transaction() as session:
            session.add(
                ProjectEventsRow(
                    project_id="demo", stored=4, duplicates=3, passed=2, dead_lettered=1
                )
            )
            await positions.move(session, "analytics", "events", 1, "0-0", "7-1")
            with pytest.raises(DataLoss):
                await positions.move(session, "analytics", "events", 1, "0-1", "8-1")
        await store.settle({"demo": 4}, NOW)
        await store.settle({"demo": 5}, NOW + 1)
        books = await store.books()
        assert books.positions == {1: "7-1"}
        assert books.handled == {"demo": StoredCount(4, 3, 2, 1)}
        assert (books.settled["demo"].lost, books.settled["demo"].at_ms) == (5, NOW + 1)
    finally:
        await database.aclose()


async def test_an_account_of_one_moment_is_asked_while_everything_moves():
    """A stream that is trimmed while it is counted is counted again."""

    class Moving(MemoryStreamStore):
        counted = 0

        async def floor(self, topic, partition):
            self.counted += 1
            return "5-0" if self.counted == 1 else "0-0"

    class Books(SqlLedger):
        def __init__(self):
            self.asked = 0

        async def books(self):
            from siyu_analytics.app.reconciliation import Books

            self.asked += 1
            return Books({0: "1-0"}, {}, {})

        async def merge(self, counts):
            assert counts

        async def taken(self):
            return {"p": {ACCEPTED: 1}}

        async def settle(self, lost, at_ms):
            assert lost == {"p": 0}

    stream, books = Moving(), Books()
    await take(DoorLedger(stream, "events", 1), "p", track("p", 1))
    judged = await Reconcile(books, stream, 1, ManualClock(NOW)).all()
    assert judged.counted
    assert judged.accounts["p"].pending == 1
    assert books.asked == 2
