import asyncio

import pytest

from siyu.event.v1.identity_change_pb2 import (
    IDENTITY_CHANGE_KIND_CREATED,
    IDENTITY_CHANGE_KIND_MERGED,
    IDENTITY_CHANGE_KIND_SPLIT,
)
from siyu.identity.v1 import identity_service_pb2 as pb
from siyu.identity.v1 import steward_pb2 as steward
from siyu.type.v1.identifier_pb2 import EVIDENCE_CLASS_AUTHENTICATED, Identifier
from siyu_kit.errors import (
    InvalidInput,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
)
from siyu_kit.rpc import call
from siyu_kit.rpc.client import stream as open_stream
from siyu_kit.sql.tables import outbox
from support.identity_service import PROJECT, identity_service

pytestmark = pytest.mark.loopback


def ident(kind, value):
    return Identifier(type=kind, value=value)


CUSTOMER = ident("customer_no", "80001")
MOBILE = ident("mobile", "13911112222")
DEVICE = ident("device_id", "aabbccdd-0001")
COOKIE = ident("anonymous_id", "cookie-1")


def evidence(*ids, name="e1", time_ms=1_700_000_000_000, strength=EVIDENCE_CLASS_AUTHENTICATED):
    return pb.Evidence(
        evidence_id=name,
        ids=ids,
        evidence_class=strength,
        event_time_ms=time_ms,
        source="test",
    )


@pytest.fixture
async def service(database_url):
    async with identity_service(database_url) as running:
        yield running


@pytest.fixture
def stub(service):
    return service.stub()


async def link(stub, *ids, **how):
    request = pb.LinkRequest(project_id=PROJECT, evidence=evidence(*ids, **how))
    return await call(stub.Link, request)


async def resolve(stub, identifier, *, create=False):
    request = pb.ResolveRequest(project_id=PROJECT, identifier=identifier, create=create)
    return (await call(stub.Resolve, request)).resolution


def unlink_request(left, right, request_id="u1"):
    return steward.UnlinkRequest(
        project_id=PROJECT, request_id=request_id, left=left, right=right, reason="not theirs"
    )


async def unlink(service, left, right, request_id="u1"):
    """Two people do it; the sequence of the change."""
    ann, ben = (service.stub_of(f"user:{name}", "steward") for name in ("ann", "ben"))
    proposed = await call(ann.Unlink, unlink_request(left, right, request_id))
    request = steward.ApproveProposalRequest(
        project_id=PROJECT, proposal_id=proposed.proposal.proposal_id
    )
    return (await call(ben.ApproveProposal, request)).sequence


async def all_changes(stub, project=PROJECT):
    found, after = [], 0
    while True:
        request = pb.ListChangesRequest(project_id=project, after_sequence=after, page_size=2)
        page = await call(stub.ListChanges, request)
        found.extend(page.changes)
        after = page.next_sequence
        if not page.more:
            return found


async def test_an_unknown_identifier_is_not_found_until_it_is_created(stub):
    with pytest.raises(NotFound) as error:
        await resolve(stub, CUSTOMER)
    assert error.value.reason == "IDENTIFIER_UNKNOWN"
    assert "80001" not in str(error.value)
    created = await resolve(stub, CUSTOMER, create=True)
    assert (created.ident_no, created.person_no) == (1, 1)
    assert len(bytes.fromhex(created.person_id)) == 16
    assert await resolve(stub, CUSTOMER) == created


async def test_resolving_many_keeps_the_order_and_lists_what_is_refused(stub):
    request = pb.ResolveBatchRequest(
        project_id=PROJECT,
        identifiers=[CUSTOMER, ident("nonsense", "x"), COOKIE, CUSTOMER, ident("mobile", "12")],
        create=True,
    )
    response = await call(stub.ResolveBatch, request)
    numbers = [item.ident_no for item in response.resolutions]
    assert sorted({numbers[0], numbers[2]}) == [1, 2]
    assert numbers[1] == numbers[4] == 0
    assert numbers[3] == numbers[0]
    assert [item.index for item in response.refused] == [1, 4]
    assert all(item.status.code == 3 for item in response.refused)
    again = await call(stub.ResolveBatch, request)
    assert again == response


PLACEHOLDERS = [
    ident("customer_no", "0"),
    ident("customer_no", "NULL"),
    ident("anonymous_id", "unknown"),
    ident("device_id", "00000000-0000-0000-0000-000000000000"),
    ident("mobile", "13800138000"),
]


@pytest.mark.parametrize("placeholder", PLACEHOLDERS, ids=lambda item: item.value)
async def test_a_placeholder_is_nobody(stub, placeholder):
    with pytest.raises(NotFound):
        await resolve(stub, placeholder)
    with pytest.raises(InvalidInput) as error:
        await resolve(stub, placeholder, create=True)
    assert (error.value.reason, error.value.field) == (
        "IDENTIFIER_PLACEHOLDER",
        "identifier.value",
    )
    assert placeholder.value not in str(error.value)


async def test_placeholders_among_many_get_no_numbers(stub):
    request = pb.ResolveBatchRequest(
        project_id=PROJECT, identifiers=[*PLACEHOLDERS, CUSTOMER], create=True
    )
    response = await call(stub.ResolveBatch, request)
    assert [item.ident_no for item in response.resolutions] == [0] * len(PLACEHOLDERS) + [1]
    assert [item.index for item in response.refused] == list(range(len(PLACEHOLDERS)))
    assert all(item.status.code == 3 for item in response.refused)
    request.create = False
    assert not (await call(stub.ResolveBatch, request)).refused


async def test_unknown_ones_of_many_are_zero_without_create(stub):
    request = pb.ResolveBatchRequest(project_id=PROJECT, identifiers=[CUSTOMER])
    response = await call(stub.ResolveBatch, request)
    assert list(response.resolutions) == [pb.Resolution()]


async def test_linked_identifiers_are_one_person_named_after_the_best(stub):
    anonymous = await resolve(stub, COOKIE, create=True)
    linked = await link(stub, COOKIE, CUSTOMER, MOBILE)
    assert linked.sequence == 2
    persons = [await resolve(stub, item) for item in (CUSTOMER, MOBILE, COOKIE)]
    assert len({item.person_id for item in persons}) == 1
    assert linked.resolution == persons[0]
    assert persons[0].person_no == persons[0].ident_no != anonymous.person_no
    assert (await link(stub, COOKIE, CUSTOMER, MOBILE, name="again")).sequence == 0


async def test_an_unlink_turns_it_back_and_a_later_link_joins_again(service, stub):
    await link(stub, CUSTOMER, DEVICE)
    assert await unlink(service, DEVICE, CUSTOMER) > 0
    apart = [await resolve(stub, item) for item in (DEVICE, CUSTOMER)]
    assert apart[0].person_no == apart[0].ident_no
    assert apart[0].person_id != apart[1].person_id
    await link(stub, CUSTOMER, DEVICE, name="old news")
    assert [await resolve(stub, item) for item in (DEVICE, CUSTOMER)] == apart
    await link(stub, CUSTOMER, DEVICE, name="new", time_ms=2**61)
    assert (await resolve(stub, DEVICE)).person_id == apart[1].person_id


async def test_one_bad_piece_of_evidence_does_not_refuse_the_others(stub):
    request = pb.LinkBatchRequest(
        project_id=PROJECT,
        evidences=[
            evidence(CUSTOMER, DEVICE),
            evidence(CUSTOMER, ident("device_id", "unknown"), name="junk"),
            evidence(CUSTOMER, name="one"),
            evidence(CUSTOMER, COOKIE, name="timeless", time_ms=0),
            evidence(CUSTOMER, MOBILE, name=""),
            evidence(CUSTOMER, MOBILE, name="good"),
        ],
    )
    response = await call(stub.LinkBatch, request)
    assert [item.status.code for item in response.results] == [0, 3, 3, 3, 3, 0]
    assert response.sequence == 1
    person = (await resolve(stub, CUSTOMER)).person_id
    assert (await resolve(stub, DEVICE)).person_id == person
    assert (await resolve(stub, MOBILE)).person_id == person


async def test_a_single_bad_piece_of_evidence_is_an_error(stub):
    with pytest.raises(InvalidInput) as error:
        await link(stub, CUSTOMER, ident("device_id", "unknown"))
    assert error.value.reason == "EVIDENCE_EMPTY"
    with pytest.raises(InvalidInput) as error:
        await link(stub, CUSTOMER, ident("mobile", "nonsense"))
    assert error.value.field == "evidence.ids[1].value"


async def test_a_person_is_found_by_every_key_also_of_old(stub):
    old = await resolve(stub, COOKIE, create=True)
    await link(stub, CUSTOMER, COOKIE, MOBILE)
    keys = [
        {"person_id": old.person_id},
        {"person_no": old.person_no},
        {"identifier": COOKIE},
        {"person_id": (await resolve(stub, CUSTOMER)).person_id},
    ]
    persons = [
        (await call(stub.GetPerson, pb.GetPersonRequest(project_id=PROJECT, **key))).person
        for key in keys
    ]
    assert all(person == persons[0] for person in persons)
    types = [item.identifier.type for item in persons[0].identifiers]
    assert types == ["customer_no", "mobile", "anonymous_id"]
    assert persons[0].identifiers[1].identifier.value == "+8613911112222"
    assert persons[0].identifiers[0].first_seen_time_ms == 1_700_000_000_000


@pytest.mark.parametrize(
    ("key", "kind", "reason"),
    [
        ({}, InvalidInput, "FIELD_INVALID"),
        ({"person_id": "zz"}, InvalidInput, "FIELD_INVALID"),
        ({"person_id": "00" * 16}, NotFound, "PERSON_UNKNOWN"),
        ({"person_no": 99}, NotFound, "PERSON_UNKNOWN"),
        ({"identifier": DEVICE}, NotFound, "IDENTIFIER_UNKNOWN"),
        ({"identifier": ident("mobile", "1")}, InvalidInput, "FIELD_INVALID"),
    ],
)
async def test_a_person_that_is_not_there_says_why(stub, key, kind, reason):
    with pytest.raises(kind) as error:
        await call(stub.GetPerson, pb.GetPersonRequest(project_id=PROJECT, **key))
    assert error.value.reason == reason


async def test_values_are_masked_for_who_may_not_see_them(service):
    await link(service.stub(), CUSTOMER, MOBILE)
    request = pb.GetPersonRequest(project_id=PROJECT, identifier=CUSTOMER)
    person = (await call(service.stub("operator").GetPerson, request)).person
    assert [item.identifier.value for item in person.identifiers] != ["80001", "+8613911112222"]
    clear = (await call(service.stub("steward").GetPerson, request)).person
    assert [item.identifier.value for item in clear.identifiers] == ["80001", "+8613911112222"]


async def test_folding_the_changes_gives_the_present_map(service, stub):
    await resolve(stub, COOKIE, create=True)
    await link(stub, CUSTOMER, COOKIE, MOBILE)
    await link(stub, CUSTOMER, DEVICE, name="e2")
    await unlink(service, CUSTOMER, COOKIE)
    changes = await all_changes(stub)
    assert [item.sequence for item in changes] == [1, 2, 3, 4]
    kinds = [{change.kind for change in item.batch.changes} for item in changes]
    assert kinds == [
        {IDENTITY_CHANGE_KIND_CREATED},
        {IDENTITY_CHANGE_KIND_CREATED, IDENTITY_CHANGE_KIND_MERGED},
        {IDENTITY_CHANGE_KIND_MERGED},
        {IDENTITY_CHANGE_KIND_SPLIT},
    ]
    folded = {}
    for item in changes:
        for change in item.batch.changes:
            assert folded.get(change.ident_no, 0) == change.from_person_no
            folded[change.ident_no] = change.person_no
    for identifier in (CUSTOMER, COOKIE, MOBILE, DEVICE):
        now = await resolve(stub, identifier)
        assert folded[now.ident_no] == now.person_no


async def test_changes_of_other_projects_are_passed_over(service):
    mine, theirs = service.stub(), service.stub(projects=("other",))
    await resolve(mine, CUSTOMER, create=True)
    request = pb.ResolveRequest(project_id="other", identifier=CUSTOMER, create=True)
    foreign = (await call(theirs.Resolve, request)).resolution
    assert foreign.ident_no == 1
    assert foreign.person_id != (await resolve(mine, CUSTOMER)).person_id
    while not (seen := await all_changes(theirs, "other")):
        await asyncio.sleep(0.01)
    assert [item.batch.project_id for item in seen] == ["other"]
    assert [item.batch.project_id for item in await all_changes(mine)] == [PROJECT]


async def test_a_watch_starts_with_a_checkpoint_and_follows_commits(stub):
    request = pb.WatchChangesRequest(project_id=PROJECT)
    async with open_stream(stub.WatchChanges, request, timeout_s=10) as messages:
        first = await anext(messages)
        assert (first.HasField("change"), first.checkpoint_sequence) == (False, 0)
        await link(stub, CUSTOMER, DEVICE)
        second = await anext(messages)
        assert second.change.sequence == second.checkpoint_sequence == 1
        assert len(second.change.batch.changes) == 2


async def test_a_watch_ends_cleanly_when_the_service_stops(service):
    request = pb.WatchChangesRequest(project_id=PROJECT)
    async with open_stream(service.stub().WatchChanges, request, timeout_s=10) as messages:
        await anext(messages)
        await service.app.drain()
        assert [message async for message in messages] == []


async def test_changes_that_are_gone_are_not_silently_left_out(service, stub):
    await link(stub, CUSTOMER, DEVICE)
    async with service.database.transaction() as session:
        await session.execute(outbox.delete())
    with pytest.raises(PreconditionFailed) as error:
        await call(stub.ListChanges, pb.ListChangesRequest(project_id=PROJECT))
    assert error.value.reason == "CHANGES_EXPIRED"


@pytest.mark.parametrize("size", [0, 5_001])
async def test_a_batch_has_its_bounds(stub, size):
    request = pb.ResolveBatchRequest(project_id=PROJECT, identifiers=[CUSTOMER] * size)
    with pytest.raises(InvalidInput):
        await call(stub.ResolveBatch, request)
    evidences = pb.LinkBatchRequest(
        project_id=PROJECT, evidences=[evidence(CUSTOMER, DEVICE)] * min(size, 1_001)
    )
    with pytest.raises(InvalidInput):
        await call(stub.LinkBatch, evidences)
    with pytest.raises(InvalidInput):
        await call(stub.ListChanges, pb.ListChangesRequest(project_id=PROJECT, page_size=-1))


METHODS = [
    ("Resolve", pb.ResolveRequest(identifier=CUSTOMER, create=True)),
    ("ResolveBatch", pb.ResolveBatchRequest(identifiers=[CUSTOMER])),
    ("Link", pb.LinkRequest(evidence=evidence(CUSTOMER, DEVICE))),
    ("LinkBatch", pb.LinkBatchRequest(evidences=[evidence(CUSTOMER, DEVICE)])),
    ("Unlink", steward.UnlinkRequest(request_id="u", left=CUSTOMER, right=DEVICE, reason="r")),
    ("GetPerson", pb.GetPersonRequest(person_no=1)),
    ("ListChanges", pb.ListChangesRequest()),
]


@pytest.mark.parametrize(("method", "request_"), METHODS)
async def test_the_token_of_another_project_opens_nothing(service, method, request_):
    request_.project_id = PROJECT
    stranger = service.stub("admin", projects=("other",))
    with pytest.raises(PermissionDenied) as error:
        await call(getattr(stranger, method), request_)
    assert error.value.reason == "PROJECT_FORBIDDEN"
    analyst = service.stub("analyst")
    with pytest.raises(PermissionDenied) as error:
        await call(getattr(analyst, method), request_)
    assert error.value.reason == "PERMISSION_MISSING"


async def test_a_sequence_larger_than_any_is_refused(stub):
    request = pb.ListChangesRequest(project_id=PROJECT, after_sequence=2**63)
    with pytest.raises(InvalidInput) as listed:
        await call(stub.ListChanges, request)
    assert (listed.value.reason, listed.value.field) == ("FIELD_INVALID", "after_sequence")
    request.after_sequence = 2**63 - 1
    assert not (await call(stub.ListChanges, request)).changes
