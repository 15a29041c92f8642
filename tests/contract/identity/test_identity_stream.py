import asyncio
import re
import time

import pytest
from sqlalchemy import event as sqlalchemy_event

from siyu.event.v1.event_pb2 import (
    EVENT_KIND_BIND,
    EVENT_KIND_TRACK,
    EVENT_KIND_UNBIND,
    Event,
    EventBatch,
)
from siyu.event.v1.identity_change_pb2 import IdentityChangeBatch
from siyu.identity.v1 import identity_service_pb2 as pb
from siyu.identity.v1 import steward_pb2 as steward
from siyu.ops.v1 import ops_service_pb2 as ops
from siyu.ops.v1.ops_service_pb2_grpc import OpsServiceStub
from siyu.type.v1.identifier_pb2 import EVIDENCE_CLASS_AUTHENTICATED, Identifier
from siyu_kit.errors import NotFound
from siyu_kit.rpc import call
from siyu_kit.stream import dead_letters
from siyu_kit.stream.port import NewEntry
from siyu_kit.stream.topics import EVENTS, IDENTITY, Kind
from support.identity_service import PROJECT, identity_service

pytestmark = pytest.mark.loopback

NOON = 1_700_000_000_000
HOUR = 3_600_000
CUSTOMER = ("customer_no", "80001")
MINE = ("device_id", "device-mine")
COOKIE = ("anonymous_id", "cookie-1")


@pytest.fixture
async def service(database_url):
    async with identity_service(database_url, partitions=2) as running:
        yield running


def event(*ids, kind=EVENT_KIND_TRACK, time_ms=NOON, strength=0, project=PROJECT):
    return Event(
        project_id=project,
        message_id=f"{ids}{kind}{time_ms}",
        ids=[Identifier(type=item[0], value=item[1]) for item in ids],
        kind=kind,
        name="page",
        event_time_ms=time_ms,
        evidence_class=strength,
    )


async def send(service, *events, partition=0, kinds=Kind.TRACK | Kind.LINK):
    payload = EventBatch(events=events).SerializeToString()
    entry = NewEntry(payload, len(events), kinds=kinds)
    return (await service.stream.append(EVENTS.name, partition, [entry]))[0]


async def person_of(service, identifier):
    request = pb.ResolveRequest(
        project_id=PROJECT, identifier=Identifier(type=identifier[0], value=identifier[1])
    )
    try:
        return (await call(service.stub().Resolve, request)).resolution.person_id
    except NotFound:
        return ""


async def until(condition, *arguments):
    async with asyncio.timeout(10):
        while not (found := await condition(*arguments)):
            await asyncio.sleep(0.01)
    return found


async def is_one_person(service, left, right):
    one, other = await person_of(service, left), await person_of(service, right)
    return bool(one) and one == other


async def are_apart(service, left, right):
    one, other = await person_of(service, left), await person_of(service, right)
    return bool(one) and bool(other) and one != other


async def drained(service, entry_id, partition=0):
    await until(_reported, service, entry_id, partition)


async def _reported(service, entry_id, partition):
    reported = await service.stream.reported(EVENTS.name, partition)
    return reported.get("identity") == entry_id


async def test_a_login_ties_what_was_anonymous_and_an_unbind_takes_it_back(service):
    await send(service, event(MINE, COOKIE))
    await until(is_one_person, service, MINE, COOKIE)
    login = event(CUSTOMER, MINE, strength=EVIDENCE_CLASS_AUTHENTICATED, time_ms=NOON + 1)
    await send(service, login)
    await until(is_one_person, service, CUSTOMER, COOKIE)
    await send(service, event(CUSTOMER, MINE, kind=EVENT_KIND_UNBIND, time_ms=NOON + 2))
    await until(are_apart, service, CUSTOMER, MINE)
    assert await is_one_person(service, MINE, COOKIE)
    await send(service, event(CUSTOMER, MINE, time_ms=NOON + 1))
    late = event(CUSTOMER, MINE, kind=EVENT_KIND_BIND, time_ms=NOON + 3)
    assert await are_apart(service, CUSTOMER, MINE)
    await send(service, late)
    await until(is_one_person, service, CUSTOMER, COOKIE)


async def test_a_change_is_in_the_feed_soon_after_the_event(service):
    await send(service, event(COOKIE, MINE), partition=1)
    await until(is_one_person, service, MINE, COOKIE)
    await until(service.stream.length, IDENTITY.name, 0)
    started = time.monotonic()
    await send(service, event(CUSTOMER, MINE, strength=EVIDENCE_CLASS_AUTHENTICATED))
    found = await service.stream.read({0: "1-0"}, IDENTITY.name, block_ms=5_000)
    elapsed_s = time.monotonic() - started
    batch = IdentityChangeBatch.FromString(found[0][0].payload)
    assert {change.identifier_type for change in batch.changes} == {
        "customer_no", "device_id", "anonymous_id",
    }  # fmt: skip
    assert elapsed_s < 1.5  # alone it takes a few tens of milliseconds


async def test_entries_of_single_identifiers_are_not_looked_into(service):
    entry = NewEntry(b"not a message", 1, kinds=Kind.TRACK)
    await service.stream.append(EVENTS.name, 0, [entry])
    await send(service, event(CUSTOMER, MINE))
    await until(is_one_person, service, CUSTOMER, MINE)


async def test_what_cannot_be_used_is_kept_and_stops_nothing(service):
    await service.stream.append(EVENTS.name, 0, [NewEntry(b"\xff\xff", 1, kinds=Kind.LINK)])
    bad = event(CUSTOMER, ("mobile", "nonsense"))
    await send(service, event(CUSTOMER, MINE), bad, event(CUSTOMER, COOKIE))
    await until(is_one_person, service, MINE, COOKIE)
    async with service.database.session() as session:
        letters = await dead_letters.list_letters(session)
    assert sorted(letter.reason for letter in letters) == ["FIELD_INVALID", "UNREADABLE_PAYLOAD"]
    kept = next(letter for letter in letters if letter.reason == "FIELD_INVALID")
    assert EventBatch.FromString(kept.entry.payload).events[0] == bad


async def letters_of(service):
    async with service.database.session() as session:
        return await dead_letters.list_letters(session, limit=1_000)


async def test_too_many_refused_events_stop_the_reader_until_somebody_looked(service):
    bad = [event(CUSTOMER, ("mobile", f"nonsense-{n}")) for n in range(60)]
    payloads = [EventBatch(events=[one]).SerializeToString() for one in bad]
    entries = [NewEntry(payload, 1, kinds=Kind.LINK) for payload in payloads]
    await service.stream.append(EVENTS.name, 0, entries)
    await send(service, event(CUSTOMER, MINE))
    desk = OpsServiceStub(service.served.channel("steward", projects=("*",)))

    async def stopped():
        listed = await call(desk.ListReaders, ops.ListReadersRequest(project_id="*"))
        return listed.readers[0].stopped

    assert "FIELD_INVALID of project demo" in await until(stopped)
    assert len(await letters_of(service)) <= 20

    async def went_on():
        resume = ops.ResumeReaderRequest(project_id="*", reader="identity", topic="events")
        if await stopped():
            await call(desk.ResumeReader, resume)
        return await is_one_person(service, CUSTOMER, MINE)

    await until(went_on)
    assert len(await letters_of(service)) == 60


async def test_known_evidence_costs_no_statement_of_its_own(service):
    events = [event(CUSTOMER, MINE, time_ms=NOON + n) for n in range(50)]
    await drained(service, await send(service, *events))
    statements = []
    engine = service.database.writer.sync_engine
    sqlalchemy_event.listen(
        engine, "before_cursor_execute", lambda *args: statements.append(args[2])
    )
    more = [event(CUSTOMER, MINE, time_ms=NOON + HOUR + n) for n in range(50)]
    await drained(service, await send(service, *more))
    assert not [text for text in statements if re.search(r"(FROM|INTO) (ident|evidence)\b", text)]


async def test_a_late_unbind_is_weighed_against_links_that_were_not_written(service):
    await drained(service, await send(service, event(CUSTOMER, MINE, time_ms=NOON)))
    await drained(service, await send(service, event(CUSTOMER, MINE, time_ms=NOON + 50)))
    late = event(CUSTOMER, MINE, kind=EVENT_KIND_UNBIND, time_ms=NOON + 20)
    await drained(service, await send(service, late))
    assert await is_one_person(service, CUSTOMER, MINE)
    later = event(CUSTOMER, MINE, kind=EVENT_KIND_UNBIND, time_ms=NOON + 50)
    await drained(service, await send(service, later))
    assert await are_apart(service, CUSTOMER, MINE)


async def test_an_unlink_of_others_in_between_makes_no_difference_to_a_late_unbind(service):
    others = ("customer_no", "70001"), ("device_id", "device-other")
    unbind = EVENT_KIND_UNBIND
    for one in (
        event(CUSTOMER, MINE, time_ms=NOON),
        event(*others, time_ms=NOON),
        event(CUSTOMER, MINE, time_ms=NOON + 50),
        event(*others, kind=unbind, time_ms=NOON + 20),
        event(CUSTOMER, MINE, kind=unbind, time_ms=NOON + 20),
    ):
        await drained(service, await send(service, one))
    assert await are_apart(service, *others)
    assert await is_one_person(service, CUSTOMER, MINE)


async def test_an_unlink_by_another_process_is_noticed(service, database_url):
    await drained(service, await send(service, event(CUSTOMER, MINE)))
    async with identity_service(database_url, partitions=2) as other:
        unlink = steward.UnlinkRequest(
            project_id=PROJECT,
            request_id="u",
            left=Identifier(type=CUSTOMER[0], value=CUSTOMER[1]),
            right=Identifier(type=MINE[0], value=MINE[1]),
            reason="sold",
        )
        proposed = await call(other.stub_of("user:ann", "steward").Unlink, unlink)
        approval = steward.ApproveProposalRequest(
            project_id=PROJECT, proposal_id=proposed.proposal.proposal_id
        )
        await call(other.stub_of("user:ben", "steward").ApproveProposal, approval)
    assert await are_apart(service, CUSTOMER, MINE)
    now_ms = int(time.time() * 1000) + HOUR
    await send(service, event(CUSTOMER, MINE, time_ms=now_ms))
    await until(is_one_person, service, CUSTOMER, MINE)


async def test_two_partitions_on_one_person(service):
    await asyncio.gather(
        *(
            send(service, event(CUSTOMER, ("anonymous_id", f"c{n}")), partition=n % 2)
            for n in range(20)
        )
    )
    for n in range(20):
        await until(is_one_person, service, CUSTOMER, ("anonymous_id", f"c{n}"))


async def test_projects_do_not_meet(service):
    foreign = event(CUSTOMER, COOKIE, project="other")
    await drained(service, await send(service, foreign))
    await drained(service, await send(service, event(CUSTOMER, MINE)))
    assert await is_one_person(service, CUSTOMER, MINE)
    assert await person_of(service, COOKIE) == ""
