"""Who did what is kept in the operation's own transaction; tampering with it is named."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from siyu.event.v1.event_pb2 import EVENT_KIND_TRACK, Event, EventBatch
from siyu.ops.v1 import ops_service_pb2 as pb
from siyu.ops.v1.ops_service_pb2_grpc import OpsServiceStub
from siyu_kit.audit.trail import AuditTrail
from siyu_kit.clock import ManualClock
from siyu_kit.errors import InvalidInput, NotFound, PermissionDenied
from siyu_kit.ops.desk import ReaderOps
from siyu_kit.ops.servicer import ops_servicer
from siyu_kit.rpc.client import call
from siyu_kit.stream import dead_letters
from siyu_kit.stream.dead_letter_limit import DeadLetterCap, DeadLetterLimit
from siyu_kit.stream.port import Entry
from siyu_kit.stream.replay import HandleAgain
from siyu_kit.testing.rpc import serve, token

NOW_MS = 1_800_000_000_000
OPS = "siyu.ops.v1.OpsService/"


class Office:
    """A service that keeps dead letters, and people who work on them."""

    def __init__(self, database):
        self.database = database
        self.clock = ManualClock(NOW_MS)
        self.trail = AuditTrail(database, self.clock)
        limit = DeadLetterLimit(self.clock, DeadLetterCap(at_least=100))
        ops = ReaderOps(HandleAgain(database, self._handle), EventBatch, limit)
        self.servicer = ops_servicer(database, readers={("profile", "events"): ops})
        self.served = None

    async def _handle(self, session, partition, entries):
        pass

    async def bury(self, project="demo", count=1):
        payload = EventBatch(
            events=[Event(project_id=project, message_id="m", name="n", kind=EVENT_KIND_TRACK)]
        ).SerializeToString()
        entry = Entry("5-1", payload, 1, 2, None, project_id=project)
        async with self.database.transaction() as session:
            for _ in range(count):
                await dead_letters.record(
                    session, reader="profile", topic="events", partition=3, entry=entry,
                    reason="NAME_INVALID", message="why",
                )  # fmt: skip

    def stub(self, role, subject="user:ann", projects=("*",)):
        who = token(role, projects=projects, subject=subject)
        return OpsServiceStub(self.served.channel(with_token=who))

    async def records(self, **asked):
        request = pb.ListAuditRequest(**{"project_id": "*", **asked})
        answer = await call(self.stub("auditor", "user:eve").ListAudit, request)
        return list(answer.records)

    async def verify(self, *anchors, **asked):
        request = pb.VerifyAuditRequest(project_id="*", anchors=anchors, **asked)
        return await call(self.stub("auditor", "user:eve").VerifyAudit, request)

    async def faults(self, *anchors):
        answer = await self.verify(*anchors)
        name = pb.AuditFaultKind.Name
        return [
            (name(fault.kind).removeprefix("AUDIT_FAULT_KIND_"), fault.number)
            for fault in answer.faults
        ]

    async def tamper(self, *statements):
        async with self.database.writer.begin() as connection:
            for statement in statements:
                await connection.execute(text(statement))


@pytest.fixture
async def office(database):
    office = Office(database)
    async with serve(office.servicer, trail=office.trail) as office.served:
        yield office


def discard(*ids, project="demo"):
    return pb.DiscardDeadLettersRequest(project_id=project, dead_letter_ids=ids, reason="given up")


async def test_what_was_done_is_there_with_who_and_how_it_ended(office):
    await office.bury()
    steward = office.stub("steward", projects=["demo"])
    await call(steward.GetDeadLetter, pb.GetDeadLetterRequest(project_id="demo", dead_letter_id=1))
    await call(steward.DiscardDeadLetters, discard(1))
    with pytest.raises(NotFound):
        await call(
            steward.GetDeadLetter, pb.GetDeadLetterRequest(project_id="demo", dead_letter_id=9)
        )
    with pytest.raises(PermissionDenied):  # refused at the gate: the log has it, the chain has not
        await call(office.stub("analyst").DiscardDeadLetters, discard(1))
    found = [
        (one.number, one.actor, one.method.removeprefix(OPS), one.project_id, one.outcome,
         one.reason, one.time_ms)
        for one in await office.records()
    ]  # fmt: skip
    assert found == [
        (1, "user:ann", "GetDeadLetter", "demo", "OK", "", NOW_MS),
        (2, "user:ann", "DiscardDeadLetters", "demo", "OK", "", NOW_MS),
        (3, "user:ann", "GetDeadLetter", "demo", "NOT_FOUND", "DEAD_LETTER_NOT_FOUND", NOW_MS),
    ]
    # Reading the audit log is audited too.
    last = (await office.records())[-1]
    assert (last.actor, last.method) == ("user:eve", OPS + "ListAudit")


async def test_an_operation_that_cannot_be_recorded_is_not_done(office):
    await office.bury()
    steward = office.stub("steward")
    await office.tamper("ALTER TABLE kit_audit RENAME TO gone")
    with pytest.raises(Exception, match="internal error"):
        await call(steward.DiscardDeadLetters, discard(1))
    with pytest.raises(Exception, match="internal error"):  # and nothing is shown
        await call(
            steward.GetDeadLetter, pb.GetDeadLetterRequest(project_id="demo", dead_letter_id=1)
        )
    await office.tamper("ALTER TABLE gone RENAME TO kit_audit")
    page = await call(
        steward.ListDeadLetters, pb.ListDeadLettersRequest(project_id="demo", page_size=5)
    )
    assert len(page.dead_letters) == 1  # still open
    await call(steward.DiscardDeadLetters, discard(1))
    assert [one.outcome for one in await office.records()] == ["OK"]
    assert await office.faults() == []


async def test_an_operation_whose_commit_fails_leaves_no_record(office, monkeypatch):
    await office.bury()
    seen = []

    async def refuse(self):
        seen.append(self)
        raise RuntimeError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr("sqlalchemy.ext.asyncio.AsyncSession.commit", refuse)
        with pytest.raises(Exception, match="internal error"):
            await call(office.stub("steward").DiscardDeadLetters, discard(1))
    assert seen
    assert await office.records() == []
    await call(office.stub("steward").DiscardDeadLetters, discard(1))
    # The listing above has recorded itself, after it was read.
    methods = [one.method.removeprefix(OPS) for one in await office.records()]
    assert methods == ["ListAudit", "DiscardDeadLetters"]


async def test_records_of_calls_side_by_side_make_one_chain(office):
    await office.bury(count=24)
    stewards = [office.stub("steward", f"user:{n}") for n in range(4)]
    await asyncio.gather(
        *(call(stewards[n % 4].DiscardDeadLetters, discard(n + 1)) for n in range(24))
    )
    records = await office.records()
    assert [one.number for one in records] == list(range(1, 25))
    assert {one.actor for one in records} == {f"user:{n}" for n in range(4)}
    assert await office.faults() == []


async def test_each_project_reads_its_own_records_page_by_page(office):
    await office.bury("demo", 3)
    await office.bury("lab", 2)
    for number, project in ((1, "demo"), (4, "lab"), (2, "demo"), (5, "lab"), (3, "demo")):
        await call(office.stub("steward").DiscardDeadLetters, discard(number, project=project))
    auditor = office.stub("auditor", "user:eve", projects=["lab"])
    request, pages = pb.ListAuditRequest(project_id="lab", page_size=1, actor="user:ann"), []
    while True:
        page = await call(auditor.ListAudit, request)
        pages.append([one.number for one in page.records])
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    assert pages == [[2], [4]]
    for project in ("demo", "*"):
        with pytest.raises(PermissionDenied):
            await call(auditor.ListAudit, pb.ListAuditRequest(project_id=project))
    with pytest.raises(InvalidInput):  # a chain holds all projects
        await call(auditor.VerifyAudit, pb.VerifyAuditRequest(project_id="lab"))
    later = await office.records(from_time_ms=NOW_MS + 1)
    assert later == []
    assert len(await office.records(to_time_ms=NOW_MS + 1, method=OPS + "DiscardDeadLetters")) == 5


@asynccontextmanager
async def five_records(office):
    await office.bury(count=5)
    for number in range(1, 6):
        await call(office.stub("steward").DiscardDeadLetters, discard(number))
    yield (await office.verify()).head


SWAP = (
    "UPDATE kit_audit SET number = -1 WHERE number = 2",
    "UPDATE kit_audit SET number = 2 WHERE number = 4",
    "UPDATE kit_audit SET number = 4 WHERE number = -1",
)


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (("UPDATE kit_audit SET actor = 'user:bob' WHERE number = 3",), [("ALTERED", 3)]),
        (("UPDATE kit_audit SET outcome = 'NOT_FOUND' WHERE number = 1",), [("ALTERED", 1)]),
        (("UPDATE kit_audit SET objects = 'nonsense' WHERE number = 2",), [("ALTERED", 2)]),
        (("UPDATE kit_audit SET time_ms = time_ms + 1 WHERE number = 5",), [("ALTERED", 5)]),
        (("DELETE FROM kit_audit WHERE number = 2",), [("MISSING", 2)]),
        (("DELETE FROM kit_audit WHERE number = 1",), [("MISSING", 1)]),
        (SWAP, [("MOVED", 2), ("MOVED", 4)]),
        (("DELETE FROM kit_audit WHERE number > 3",), [("CUT", 4)]),
    ],
)
async def test_what_was_tampered_with_is_named(office, statements, expected):
    async with five_records(office) as head:
        assert head.number == 5
        await office.tamper("DELETE FROM kit_audit WHERE number = 6")  # of the check itself
        await office.tamper(
            "UPDATE kit_audit_head SET number = 5,"
            " digest = (SELECT digest FROM kit_audit WHERE number = 5)"
        )
        await office.tamper(*statements)
        found = await office.faults()
        assert [fault for fault in found if fault in expected] == expected
        # Moved records no longer follow what stands before them, which may be named beside.
        assert {kind for kind, _ in found} <= {expected[0][0], "ALTERED"}


async def test_a_cut_end_with_a_forged_head_is_told_by_an_exported_one(office):
    async with five_records(office) as head:
        await office.tamper(
            "DELETE FROM kit_audit WHERE number > 3",
            "UPDATE kit_audit_head SET number = 3,"
            " digest = (SELECT digest FROM kit_audit WHERE number = 3)",
        )
        assert await office.faults(head) == [("CUT", 4)]
        # The check itself was recorded as 4: the forger's chain goes on, and differs at the anchor.
        assert await office.faults() == []
        assert await office.faults(head) == [("ANCHOR", 5)]


async def test_the_head_is_told_to_the_log_every_hour(office, monkeypatch):
    told = []
    logger = SimpleNamespace(info=lambda event, **fields: told.append((event, fields)))
    monkeypatch.setattr("siyu_kit.audit.trail.logger", logger)
    async with five_records(office) as head:
        telling = asyncio.create_task(office.trail.tell_head())
        while len(told) < 2:
            await asyncio.sleep(0.01)
            await office.clock.advance(600)
        telling.cancel()
        assert {event for event, _ in told} == {"audit_head"}
        last = told[-1][1]
        assert (last["number"], len(last["digest"])) == (head.number + 1, 64)  # the check itself
        assert await office.faults(pb.AuditHead(**last)) == []


async def test_a_long_chain_is_checked_part_by_part(office, monkeypatch):
    monkeypatch.setattr("siyu_kit.ops.audit_methods.MAX_CHECKED", 2)
    monkeypatch.setattr("siyu_kit.ops.audit_methods._PAGE", 2)
    async with five_records(office):
        await office.tamper("UPDATE kit_audit SET actor = 'x' WHERE number = 4")
        after, checked, found = 0, 0, []
        while True:
            answer = await office.verify(after_number=after)
            checked += answer.checked
            found += [fault.number for fault in answer.faults]
            after = answer.next_after_number
            if not after:
                break
        assert found == [4]
        assert checked >= 6
