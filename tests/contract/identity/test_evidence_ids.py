"""An evidence id stands for the identifiers it was first used for."""

import asyncio
from contextlib import contextmanager

import pytest
from sqlalchemy import event, select

from siyu.identity.v1 import identity_service_pb2 as pb
from siyu.identity.v1 import steward_pb2 as steward
from siyu.type.v1.identifier_pb2 import (
    EVIDENCE_CLASS_AUTHENTICATED,
    EVIDENCE_CLASS_INFERRED,
    Identifier,
)
from siyu_identity.store.tables import EvidenceIdRow
from siyu_kit.errors import AlreadyExists, NotFound
from siyu_kit.rpc import call
from siyu_kit.sql.upsert import table_of
from support.identity_service import PROJECT, identity_service

pytestmark = pytest.mark.loopback
REUSED = 6  # ALREADY_EXISTS


def customer(number):
    return Identifier(type="customer_no", value=f"S{number:05d}")


def device(number):
    return Identifier(type="device_id", value=f"device-{number:05d}")


def said(name, *ids, time_ms=1_700_000_000_000, strength=EVIDENCE_CLASS_AUTHENTICATED):
    return pb.Evidence(
        evidence_id=name, ids=ids, evidence_class=strength, event_time_ms=time_ms, source="test"
    )


@pytest.fixture
async def service(database_url):
    async with identity_service(database_url) as running:
        yield running


@pytest.fixture
def stub(service):
    return service.stub()


async def link(stub, *evidences, project=PROJECT):
    request = pb.LinkBatchRequest(project_id=project, evidences=evidences)
    return await call(stub.LinkBatch, request)


def codes(answer):
    return [item.status.code for item in answer.results]


async def person(stub, identifier, project=PROJECT):
    request = pb.ResolveRequest(project_id=project, identifier=identifier)
    return (await call(stub.Resolve, request)).resolution.person_no


async def test_an_id_used_for_others_is_refused_and_links_nobody(stub):
    await link(stub, said("e", customer(1), device(1)))
    answer = await link(
        stub,
        said("f", customer(2), device(2)),
        said("e", customer(1), device(3)),
        said("g", customer(3), device(4)),
    )
    assert codes(answer) == [0, REUSED, 0]
    assert "EVIDENCE_ID_REUSED" in str(answer.results[1].status.details[0].value)
    with pytest.raises(NotFound):
        await person(stub, device(3))
    assert await person(stub, device(2)) == await person(stub, customer(2))
    request = pb.LinkRequest(project_id=PROJECT, evidence=said("e", customer(9), device(1)))
    with pytest.raises(AlreadyExists) as error:
        await call(stub.Link, request)
    assert (error.value.reason, error.value.metadata) == (
        "EVIDENCE_ID_REUSED",
        {"evidence_id": "e"},
    )
    with pytest.raises(NotFound):
        await person(stub, customer(9))


async def test_a_repetition_changes_nothing_in_whatever_form(stub):
    first = await link(stub, said("e", customer(1), device(1)))
    assert first.sequence == 1
    spelled = Identifier(type="customer_no", value=" S00001 ")
    for again in (
        said("e", customer(1), device(1)),
        said("e", device(1), customer(1), device(1)),
        said("e", spelled, device(1), time_ms=1_600_000_000_000),
    ):
        answer = await link(stub, again)
        assert (codes(answer), answer.sequence) == ([0], 0)


async def test_within_a_batch_the_first_use_counts(stub):
    answer = await link(
        stub,
        said("e", customer(1), device(1)),
        said("e", customer(2), device(2)),
        said("e", device(1), customer(1)),
    )
    assert codes(answer) == [0, REUSED, 0]
    answer = await link(stub, said("e", customer(2), device(2)), said("e", customer(1), device(1)))
    assert codes(answer) == [REUSED, 0]


async def test_evidence_that_is_refused_for_something_else_takes_no_id(stub):
    junk = Identifier(type="device_id", value="unknown")
    assert codes(await link(stub, said("e", customer(1), junk))) == [3]
    assert codes(await link(stub, said("e", customer(1), device(1)))) == [0]


async def test_an_inferred_link_with_a_reused_id_does_not_wait_for_review(stub):
    inferred = EVIDENCE_CLASS_INFERRED
    await link(stub, said("e", customer(1), device(1), strength=inferred))
    answer = await link(
        stub,
        said("e", customer(2), device(2), strength=inferred),
        said("f", customer(3), device(3), strength=inferred),
    )
    assert codes(answer) == [REUSED, 0]
    listed = await call(stub.ListReviews, steward.ListReviewsRequest(project_id=PROJECT))
    assert len(listed.reviews) == 2


async def test_of_two_at_once_one_is_refused_and_nothing_hangs(stub):
    """Many ids in opposite orders: who comes second waits, and sees what the first one said."""
    ids = [f"e{n:03d}" for n in range(200)]
    one = [said(name, customer(n), device(n)) for n, name in enumerate(ids)]
    two = [said(name, customer(500 + n), device(500 + n)) for n, name in enumerate(ids)][::-1]
    async with asyncio.timeout(60):
        answers = await asyncio.gather(link(stub, *one), link(stub, *two))
    first, second = (set(codes(answer)) for answer in answers)
    assert {frozenset(first), frozenset(second)} == {frozenset({0}), frozenset({REUSED})}


async def test_projects_have_their_own_ids_and_none_is_kept_in_the_clear(service, stub):
    theirs = service.stub(projects=("other",))
    name = "13911112222 said so"
    await link(stub, said(name, customer(1), device(1)))
    answer = await link(theirs, said(name, customer(2), device(2)), project="other")
    assert codes(answer) == [0]
    async with service.database.session() as session:
        rows = (await session.execute(select(table_of(EvidenceIdRow)))).all()
    assert sorted(row.project_id for row in rows) == [PROJECT, "other"]
    assert len({row.lookup for row in rows} | {row.said for row in rows}) == 4
    assert all(len(row.lookup) == len(row.said) == 16 for row in rows)


@contextmanager
def statements_of(service):
    """The statements that are sent about evidence ids."""
    seen = []

    def note(_connection, _cursor, text, *_rest):
        if "evidence_id" in text:
            seen.append(text)

    engine = service.database.writer.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def test_it_costs_no_statement_for_each_item(service, stub):
    few = [said(f"few{n}", customer(n), device(n)) for n in range(2)]
    many = [said(f"many{n}", customer(n), device(n)) for n in range(1_000)]
    for evidences, expected in ((few, 2), (few, 1), (many, 2), (many, 1)):
        with statements_of(service) as seen:
            assert set(codes(await link(stub, *evidences))) == {0}
        assert len(seen) == expected
