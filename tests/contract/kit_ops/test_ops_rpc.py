"""The steward's desk, asked by RPC, on both databases."""

from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from siyu.event.v1.event_pb2 import EVENT_KIND_TRACK, Event, EventBatch
from siyu.ops.v1 import ops_service_pb2 as pb
from siyu.ops.v1.ops_service_pb2_grpc import OpsServiceStub
from siyu.type.v1.identifier_pb2 import EVIDENCE_CLASS_INFERRED, EVIDENCE_CLASS_STEWARD
from siyu_kit.clock import ManualClock
from siyu_kit.errors import DataLoss, InvalidInput, NotFound, PermissionDenied, PreconditionFailed
from siyu_kit.ops import servicer
from siyu_kit.ops.desk import ReaderOps
from siyu_kit.ops.heal import FeedHeal
from siyu_kit.ops.servicer import ops_servicer
from siyu_kit.rpc.client import call
from siyu_kit.rpc.status import from_status
from siyu_kit.sql import feed
from siyu_kit.sql.feed import Feed
from siyu_kit.sql.outbox import Outbox
from siyu_kit.sql.publisher import StreamPublisher
from siyu_kit.sql.relay import OutboxRelay
from siyu_kit.stream import dead_letters
from siyu_kit.stream.dead_letter_limit import DeadLetterCap, DeadLetterLimit, TooManyDeadLetters
from siyu_kit.stream.gaps import check_healed
from siyu_kit.stream.memory import MemoryStreamStore
from siyu_kit.stream.port import Entry
from siyu_kit.stream.replay import HandleAgain
from siyu_kit.testing.rpc import serve, token

WHY = {"reason": "the sender mended it"}


def batch(*names, project="demo", **said):
    events = [
        Event(project_id=project, message_id=n, name=n, kind=EVENT_KIND_TRACK, **said)
        for n in names
    ]
    return EventBatch(events=events).SerializeToString()


class World:
    """A service with one reader, whose handler refuses what is called bad, and one feed."""

    def __init__(self, database):
        self.database = database
        self.handled = []
        self.limit = DeadLetterLimit(ManualClock(), DeadLetterCap(at_least=2))
        self.stream = MemoryStreamStore()
        self.outbox = Outbox()
        publisher = StreamPublisher(self.stream)
        self.relay = OutboxRelay(database, publisher, topic="identity", outbox=self.outbox)
        ops = ReaderOps(HandleAgain(database, self.handle), EventBatch, self.limit)
        self.servicer = ops_servicer(
            database,
            readers={("profile", "events"): ops},
            relays={"identity": self.relay},
        )

    async def handle(self, session, partition, entries):
        for entry in entries:
            names = [event.name for event in EventBatch.FromString(entry.payload).events]
            if "bad" in names:
                raise InvalidInput("NAME_INVALID", "still bad")
            if "broken" in names:
                raise RuntimeError("a fault of ours")
            # An effect in the transaction: it must go when the replay fails.
            await session.execute(text("UPDATE kit_lease SET holder = 'x' WHERE name = 'none'"))
            self.handled.append((partition, names))

    async def bury(self, *names, project="demo"):
        async with self.database.transaction() as session:
            await dead_letters.record(
                session,
                reader="profile",
                topic="events",
                partition=3,
                entry=Entry(
                    "5-1", batch(*names, project=project), len(names), 2, None, project_id=project
                ),
                reason="NAME_INVALID",
                message="a name of 13800138000",
            )

    async def tell(self, *payloads):
        """Rows of the feed, numbered and published."""
        async with self.database.transaction() as session:
            for payload in payloads:
                await self.outbox.add(session, "identity", "demo", payload)
        async with self.database.transaction() as session:
            await feed.assign(session, Feed("identity"), 100)
        await self.relay.rebuild()


@pytest.fixture
def world(database):
    return World(database)


@asynccontextmanager
async def desk(world, role="steward", projects=("demo",), subject="user:ann"):
    async with serve(world.servicer) as served:
        yield stub_of(served, subject, role, projects)


def stub_of(served, subject, role="steward", projects=("demo",)):
    who = token(role, projects=projects, subject=subject)
    return OpsServiceStub(served.channel(with_token=who))


async def only(stub, **wanted):
    page = await call(stub.ListDeadLetters, pb.ListDeadLettersRequest(project_id="demo", **wanted))
    [letter] = page.dead_letters
    return letter


async def test_a_dead_letter_is_mended_and_replayed_once(world):
    await world.bury("bad", "good")
    async with serve(world.servicer) as served:
        stub, other = stub_of(served, "user:ann"), stub_of(served, "user:bob")
        letter = await only(stub)
        assert (letter.reader, letter.topic, letter.count, letter.reason, letter.fixed) == (
            "profile", "events", 2, "NAME_INVALID", False,
        )  # fmt: skip
        assert "13800138000" not in letter.message
        about = {"project_id": "demo", "dead_letter_id": letter.dead_letter_id}
        again = pb.ReplayDeadLettersRequest(
            project_id="demo", dead_letter_ids=[letter.dead_letter_id], **WHY
        )
        answer = await call(stub.ReplayDeadLetters, again)
        assert answer.replayed == 0
        assert from_status(answer.failed[0].status).reason == "NAME_INVALID"
        shown = await call(stub.GetDeadLetter, pb.GetDeadLetterRequest(**about))
        mended = shown.payload_json.replace("bad", "better")
        fix = pb.FixDeadLetterRequest(**about, payload_json=mended, **WHY)
        assert (await call(stub.FixDeadLetter, fix)).dead_letter.fixed
        answer = await call(stub.ReplayDeadLetters, again)
        assert from_status(answer.failed[0].status).reason == "FIXER_REPLAYS"
        assert world.handled == []
        assert (await call(other.ReplayDeadLetters, again)).replayed == 1
        assert world.handled == [(3, ["better", "good"])]
        answer = await call(stub.ReplayDeadLetters, again)
        assert from_status(answer.failed[0].status).reason == "DEAD_LETTER_CLOSED"
        assert len(world.handled) == 1
        with pytest.raises(PreconditionFailed):
            await call(stub.FixDeadLetter, fix)
        assert (await only(stub, state=pb.DEAD_LETTER_STATE_REPLAYED)).fixed
        shown = await call(stub.GetDeadLetter, pb.GetDeadLetterRequest(**about))
        first, second = shown.changes
        assert (first.action, first.reason) == ("fix", WHY["reason"])
        assert first.payload_before == batch("bad", "good")
        assert (first.actor, second.action, second.actor) == ("user:ann", "replay", "user:bob")


async def test_giving_up_is_recorded_and_final(world):
    await world.bury("bad")
    async with desk(world) as stub:
        letter = await only(stub)
        ids = [letter.dead_letter_id]
        request = pb.DiscardDeadLettersRequest(project_id="demo", dead_letter_ids=ids)
        with pytest.raises(InvalidInput, match="reason"):
            await call(stub.DiscardDeadLetters, request)
        request.reason = "a test of the sender"
        assert (await call(stub.DiscardDeadLetters, request)).discarded == 1
        assert len((await call(stub.DiscardDeadLetters, request)).failed) == 1
        again = pb.ReplayDeadLettersRequest(project_id="demo", dead_letter_ids=ids, **WHY)
        assert (await call(stub.ReplayDeadLetters, again)).replayed == 0
        await only(stub, state=pb.DEAD_LETTER_STATE_DISCARDED)


async def test_content_is_for_those_who_may_see_it_and_projects_are_apart(world):
    await world.bury("good")
    await world.bury("good", project="other")
    await world.bury("good", project="")
    async with desk(world) as stub:
        letter = await only(stub)
        foreign = pb.GetDeadLetterRequest(
            project_id="demo", dead_letter_id=letter.dead_letter_id + 1
        )
        with pytest.raises(NotFound):
            await call(stub.GetDeadLetter, foreign)
        beyond = pb.GetDeadLetterRequest(project_id="demo", dead_letter_id=2**63)
        with pytest.raises(NotFound):
            await call(stub.GetDeadLetter, beyond)
        with pytest.raises(PermissionDenied):
            await call(stub.ListDeadLetters, pb.ListDeadLettersRequest(project_id="*"))
        request = pb.ReplayDeadLettersRequest(project_id="demo", **WHY)
        assert (await call(stub.ReplayDeadLetters, request)).replayed == 1
    async with desk(world, "operator") as stub:
        await call(stub.ListDeadLetters, pb.ListDeadLettersRequest(project_id="demo"))
        with pytest.raises(PermissionDenied):
            await call(stub.GetDeadLetter, pb.GetDeadLetterRequest(project_id="demo"))
    async with desk(world, "steward", ["*"]) as stub:
        page = await call(
            stub.ListDeadLetters, pb.ListDeadLettersRequest(project_id="*", page_size=1)
        )
        assert [letter.project_id for letter in page.dead_letters] == ["other"]
        request = pb.ListDeadLettersRequest(
            project_id="*", page_size=1, page_token=page.next_page_token
        )
        page = await call(stub.ListDeadLetters, request)
        assert [letter.project_id for letter in page.dead_letters] == [""]
        assert not page.next_page_token


async def test_a_replay_of_all_says_where_to_go_on(world, monkeypatch):
    monkeypatch.setattr(servicer, "MAX_LETTERS", 2)
    for name in ("bad", "bad", "a", "bad", "b"):
        await world.bury(name)
    request = pb.ReplayDeadLettersRequest(project_id="demo", **WHY)
    told = []
    async with desk(world) as stub:
        while not told or request.after_dead_letter_id:
            answer = await call(stub.ReplayDeadLetters, request)
            told.append((answer.replayed, len(answer.failed)))
            request.after_dead_letter_id = answer.next_after_dead_letter_id
        # What fails is tried once, and holds up nothing behind it.
        assert told == [(0, 2), (1, 1), (1, 0)]
        request.after_dead_letter_id = 2**63
        assert (await call(stub.ReplayDeadLetters, request)).replayed == 0


async def test_a_payload_that_the_reader_cannot_read_is_refused(world):
    await world.bury("good")
    async with desk(world) as stub:
        about = {"project_id": "demo", "dead_letter_id": (await only(stub)).dead_letter_id} | WHY
        for content in ({"payload": b"\xff"}, {"payload": b""}, {"payload_json": '{"no": 1}'}):
            with pytest.raises(InvalidInput) as refused:
                await call(stub.FixDeadLetter, pb.FixDeadLetterRequest(**about, **content))
            assert refused.value.reason == "PAYLOAD_UNREADABLE"


async def test_a_payload_of_another_project_or_with_a_stewards_evidence_is_refused(world):
    await world.bury("good")
    await world.bury("good", project="")
    foreign, mixed = batch("x", project="other"), batch("x") + batch("y", project="other")
    by_hand = batch("x") + batch("y", evidence_class=EVIDENCE_CLASS_STEWARD)
    inferred = batch("x", evidence_class=EVIDENCE_CLASS_INFERRED)
    async with desk(world, projects=["*"]) as stub:
        letter = (await only(stub)).dead_letter_id
        for number, payload in (
            (letter, foreign), (letter, mixed), (letter, by_hand), (letter, inferred),
            (letter + 1, mixed), (letter + 1, batch("x", project="")), (letter + 1, by_hand),
            (letter + 1, batch("x", project="a b")),
        ):  # fmt: skip
            about = {"project_id": "*", "dead_letter_id": number, "payload": payload} | WHY
            with pytest.raises(InvalidInput) as refused:
                await call(stub.FixDeadLetter, pb.FixDeadLetterRequest(**about))
            assert refused.value.reason == "PAYLOAD_FORBIDDEN"
            assert refused.value.metadata["field"] == "payload"
        about["payload"] = foreign
        assert (await call(stub.FixDeadLetter, pb.FixDeadLetterRequest(**about))).dead_letter.fixed
    async with desk(world) as stub:
        about["project_id"] = "demo"
        with pytest.raises(NotFound):
            await call(stub.FixDeadLetter, pb.FixDeadLetterRequest(**about))


def told(results):
    """Position, reason and the letter's number of each failure."""
    errors = [(result.index, from_status(result.status)) for result in results]
    return [(at, error.reason, error.metadata["dead_letter_id"]) for at, error in errors]


async def test_unknown_numbers_fail_by_themselves(world):
    await world.bury("good")
    await world.bury("bad")
    async with desk(world) as stub:
        listed = await call(stub.ListDeadLetters, pb.ListDeadLettersRequest(project_id="demo"))
        good, bad = (letter.dead_letter_id for letter in listed.dead_letters)
        ids = [bad, 999_999, good, 2**64 - 1]
        request = {"project_id": "demo", "dead_letter_ids": ids, **WHY}
        answer = await call(stub.ReplayDeadLetters, pb.ReplayDeadLettersRequest(**request))
        assert answer.replayed == 1
        assert told(answer.failed) == [
            (0, "NAME_INVALID", str(bad)),
            (1, "DEAD_LETTER_NOT_FOUND", "999999"),
            (3, "DEAD_LETTER_NOT_FOUND", str(2**64 - 1)),
        ]
        answer = await call(stub.DiscardDeadLetters, pb.DiscardDeadLettersRequest(**request))
        assert answer.discarded == 1
        assert [at for at, _, _ in told(answer.failed)] == [1, 2, 3]


async def test_a_failure_without_numbers_names_its_letter(world):
    for name in ("good", "bad", "broken"):
        await world.bury(name)
    async with desk(world) as stub:
        listed = await call(stub.ListDeadLetters, pb.ListDeadLettersRequest(project_id="demo"))
        _, bad, broken = (letter.dead_letter_id for letter in listed.dead_letters)
        request = pb.ReplayDeadLettersRequest(project_id="demo", **WHY)
        answer = await call(stub.ReplayDeadLetters, request)
    assert told(answer.failed) == [(1, "NAME_INVALID", str(bad)), (2, "INTERNAL", str(broken))]


async def test_a_reader_that_stopped_is_shown_and_resumed(world):
    await world.bury("bad")
    with pytest.raises(TooManyDeadLetters):
        world.limit.admit(3)
    async with desk(world, "steward", ["*"]) as stub:
        listed = await call(stub.ListReaders, pb.ListReadersRequest(project_id="*"))
        [reader] = listed.readers
        assert "3 dead letters" in reader.stopped
        assert reader.open_dead_letters == 1
        resume = pb.ResumeReaderRequest(project_id="*", reader="profile", topic="events")
        await call(stub.ResumeReader, resume)
        world.limit.admit(2)
        resume.reader = "nobody"
        with pytest.raises(NotFound):
            await call(stub.ResumeReader, resume)
    async with desk(world) as stub:
        with pytest.raises(InvalidInput, match="must be"):
            await call(stub.ResumeReader, pb.ResumeReaderRequest(project_id="demo"))


async def test_gaps_are_healed_and_streams_rebuilt_from_the_owner(world):
    await world.tell(*(b"m%d" % n for n in range(1, 8)))
    async with serve(world.servicer) as served:
        heal = FeedHeal(served.channel("service", projects=["*"]), "identity")
        healed = await heal(0, 2, 6)
        assert [(e.sequence, e.payload) for e in healed] == [(3, b"m3"), (4, b"m4"), (5, b"m5")]
        check_healed(healed, "identity", 2, 6)
        assert await heal(0, 7, 9) == []
        with pytest.raises(DataLoss):
            check_healed(await heal(0, 7, 9), "identity", 7, 9)
        with pytest.raises(NotFound):
            await FeedHeal(served.channel("service", projects=["*"]), "profile")(0, 1, 3)
        with pytest.raises(PermissionDenied):
            await FeedHeal(served.channel("steward", projects=["*"]), "identity")(0, 1, 3)
        world.stream.lose("identity", 0)
        stub = OpsServiceStub(served.channel("steward", projects=["*"]))
        request = pb.RebuildStreamRequest(project_id="*", topic="identity", from_sequence=3)
        assert (await call(stub.RebuildStream, request)).published == 5
        assert (await call(stub.RebuildStream, request)).published == 5
    found = await world.stream.range("identity", 0, "0-1", "99-0")
    assert [entry.sequence for entry in found] == [3, 4, 5, 6, 7]
