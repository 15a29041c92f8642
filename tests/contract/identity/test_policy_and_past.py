"""Policies, runs over a whole project, answers of the past, erasure."""

import asyncio
import time

import pytest
from sqlalchemy import select

from siyu.identity.v1 import identity_service_pb2 as pb
from siyu.identity.v1 import policy_pb2 as policy_pb
from siyu.identity.v1 import steward_pb2 as steward
from siyu.type.v1.identifier_pb2 import EVIDENCE_CLASS_AUTHENTICATED, Identifier
from siyu_identity.store.tables import EvidenceRow, IdentRow
from siyu_kit.errors import AlreadyExists, InvalidInput, NotFound, PreconditionFailed
from siyu_kit.rpc import call
from siyu_kit.sql.upsert import table_of
from support.identity_service import KEYS, PROJECT, identity_service

pytestmark = pytest.mark.loopback


def ident(kind, value):
    return Identifier(type=kind, value=value)


CUSTOMERS = [ident("customer_no", f"8000{n}") for n in range(5)]
DEVICE, COOKIE = ident("device_id", "aabbccdd-0001"), ident("anonymous_id", "cookie-1")
MOBILE = ident("mobile", "13911112222")


@pytest.fixture
async def service(database_url):
    async with identity_service(database_url) as running:
        yield running


@pytest.fixture
def ann(service):
    return service.stub_of("user:ann", "steward")


@pytest.fixture
def ben(service):
    return service.stub_of("user:ben", "steward")


async def link(stub, *ids, time_ms=1_700_000_000_000):
    evidence = pb.Evidence(
        evidence_id=f"e-{ids[0].value}-{ids[-1].value}-{time_ms}",
        ids=ids,
        evidence_class=EVIDENCE_CLASS_AUTHENTICATED,
        event_time_ms=time_ms,
        source="test",
    )
    return await call(stub.Link, pb.LinkRequest(project_id=PROJECT, evidence=evidence))


async def persons(stub, *ids):
    request = pb.ResolveBatchRequest(project_id=PROJECT, identifiers=ids)
    return [item.person_no for item in (await call(stub.ResolveBatch, request)).resolutions]


async def the_policy(stub, **which):
    request = policy_pb.GetPolicyRequest(project_id=PROJECT, **which)
    return (await call(stub.GetPolicy, request)).policy


async def done(stub, run_id):
    for _ in range(600):
        request = policy_pb.GetRunRequest(project_id=PROJECT, run_id=run_id)
        run = (await call(stub.GetRun, request)).run
        if run.state != policy_pb.RUN_STATE_RUNNING:
            return run
        await asyncio.sleep(0.05)
    raise AssertionError("the run does not come to an end")


async def proposed(stub, policy, request_id, base=None):
    """Made from the version that it says, or from the one that holds."""
    if base is None:
        base = (await the_policy(stub)).version
    request = policy_pb.ActivatePolicyRequest(
        project_id=PROJECT,
        request_id=request_id,
        reason="agreed",
        policy=policy,
        base_version=base,
    )
    return (await call(stub.ActivatePolicy, request)).proposal


async def approve(stub, proposal):
    request = steward.ApproveProposalRequest(project_id=PROJECT, proposal_id=proposal.proposal_id)
    return await call(stub.ApproveProposal, request)


async def activate(ann, ben, policy, request_id="p1"):
    applied = (await approve(ben, await proposed(ann, policy, request_id))).proposal
    return applied, await done(ann, applied.run_id)


async def restitched(stub, request_id="s1"):
    request = policy_pb.RestitchRequest(project_id=PROJECT, request_id=request_id)
    started = (await call(stub.Restitch, request)).run
    return await done(stub, started.run_id)


async def as_of(stub, *ids, **when):
    request = pb.ResolveAsOfRequest(project_id=PROJECT, identifiers=ids, **when)
    return await call(stub.ResolveAsOf, request)


async def told(stub, after=0):
    """The sequence that follows: a busy machine may take a moment to number and to seal it."""
    while True:
        request = pb.ListChangesRequest(project_id=PROJECT, after_sequence=after)
        page = await call(stub.ListChanges, request)
        if page.next_sequence > after:
            break
        await asyncio.sleep(0.02)
    while True:
        try:
            await as_of(stub, CUSTOMERS[0], sequence=page.next_sequence)
        except PreconditionFailed as error:
            if error.reason != "NOT_SEALED":
                raise
        else:
            return page.next_sequence


def rule(policy, kind):
    return next(item for item in policy.types if item.type == kind)


async def test_a_policy_is_tried_then_holds_and_can_be_taken_back(ann, ben):
    for number, customer in enumerate(CUSTOMERS[:4]):
        await link(ann, customer, DEVICE, time_ms=1_700_000_000_000 + number)
    await link(ann, DEVICE, COOKIE)
    before = await persons(ann, *CUSTOMERS[:4], DEVICE, COOKIE)
    assert len(set(before)) == 6
    policy = await the_policy(ann)
    assert (policy.version, policy.preset) == (1, "broker")
    rule(policy, "device_id").max_owners = 4
    request = policy_pb.SimulatePolicyRequest(project_id=PROJECT, request_id="try", policy=policy)
    tried = await done(ann, (await call(ann.SimulatePolicy, request)).run.run_id)
    found = tried.comparison
    assert (found.persons_served, found.persons, found.moved) == (6, 4, 2)
    assert (found.quarantined_served, found.quarantined) == (1, 0)
    assert (found.conflicts_served, found.conflicts) == (0, 3)
    assert {item.identifier.type for item in found.sample} == {"device_id", "anonymous_id"}
    assert await persons(ann, *CUSTOMERS[:4], DEVICE, COOKIE) == before

    applied, run = await activate(ann, ben, policy)
    assert (applied.policy_version, run.state) == (2, policy_pb.RUN_STATE_SUCCEEDED)
    customer, device, cookie = await persons(ann, CUSTOMERS[0], DEVICE, COOKIE)
    assert customer == device == cookie
    same = (await restitched(ann)).comparison
    assert (same.digest, same.moved) == (same.digest_served, 0)
    assert same.digest == found.digest

    _, run = await activate(ann, ben, await the_policy(ann, version=1), "p2")
    assert run.state == policy_pb.RUN_STATE_SUCCEEDED
    assert await persons(ann, *CUSTOMERS[:4], DEVICE, COOKIE) == before
    same = (await restitched(ann, "s2")).comparison
    assert same.digest == same.digest_served != found.digest


async def test_a_policy_proposed_under_another_version_does_not_undo_it(ann, ben):
    policy = await the_policy(ann)
    old = await proposed(ann, policy, "old")
    policy.blocked.add(type="mobile", value="+8613911112222")
    await activate(ann, ben, policy, "new")
    with pytest.raises(PreconditionFailed) as error:
        await approve(ben, old)
    assert error.value.reason == "OPERATION_UNFIT"
    assert "version 1 " in error.value.metadata["rule"]
    assert "version 2 " in error.value.metadata["rule"]
    held = await the_policy(ann)
    assert (held.version, len(held.blocked)) == (2, 1)
    assert await proposed(ann, await the_policy(ann, version=1), "old", base=1) == old
    request = steward.RejectProposalRequest(project_id=PROJECT, proposal_id=old.proposal_id)
    rejected = (await call(ben.RejectProposal, request)).proposal
    assert rejected.state == steward.PROPOSAL_STATE_REJECTED
    applied, _ = await activate(ann, ben, await the_policy(ann, version=1), "again")
    assert applied.policy_version == 3


async def test_a_policy_made_from_a_version_that_is_gone_is_not_even_proposed(ann, ben):
    read = await the_policy(ann)
    other = await the_policy(ann)
    other.blocked.add(type="mobile", value="+8613911112222")
    await activate(ann, ben, other, "other")
    for base in (read.version, 7):
        with pytest.raises(PreconditionFailed) as error:
            await proposed(ann, read, "late", base=base)
        assert error.value.reason == "OPERATION_UNFIT"
        assert f"version {base} " in error.value.metadata["rule"]
        assert "version 2 " in error.value.metadata["rule"]
    with pytest.raises(InvalidInput) as missing:
        await proposed(ann, read, "late", base=0)
    assert missing.value.field == "base_version"
    # Nothing was kept under the id: looked at again, it can be asked for with it.
    assert (await proposed(ann, read, "late")).state == steward.PROPOSAL_STATE_PROPOSED


async def test_the_version_a_policy_was_made_from_belongs_to_the_request(ann):
    policy = await the_policy(ann)
    first = await proposed(ann, policy, "one", base=1)
    assert await proposed(ann, policy, "one", base=1) == first
    with pytest.raises(AlreadyExists) as error:
        await proposed(ann, policy, "one", base=2)
    assert error.value.reason == "REQUEST_ID_REUSED"


async def test_of_two_policies_approved_at_once_one_holds(ann, ben):
    policy = await the_policy(ann)
    rivals = [await proposed(ann, policy, name) for name in ("one", "two")]
    told = await asyncio.gather(*(approve(ben, item) for item in rivals), return_exceptions=True)
    (refused,) = [item for item in told if isinstance(item, PreconditionFailed)]
    (applied,) = [item for item in told if isinstance(item, steward.ApproveProposalResponse)]
    assert (refused.reason, applied.proposal.policy_version) == ("OPERATION_UNFIT", 2)
    await done(ann, applied.proposal.run_id)


async def test_a_blocked_value_ties_nobody_together_and_is_let_go_again(ann, ben):
    await link(ann, CUSTOMERS[0], MOBILE)
    await link(ann, MOBILE, DEVICE)
    assert len(set(await persons(ann, CUSTOMERS[0], MOBILE, DEVICE))) == 1
    policy = await the_policy(ann)
    policy.blocked.add(type="mobile", value="+8613911112222")
    policy.blocked.add(type="*", value="Cookie-1")
    await activate(ann, ben, policy)
    assert len(set(await persons(ann, CUSTOMERS[0], MOBILE, DEVICE))) == 3
    await link(ann, CUSTOMERS[0], COOKIE)
    assert len(set(await persons(ann, CUSTOMERS[0], COOKIE))) == 2
    same = (await restitched(ann)).comparison
    assert (same.digest, same.quarantined) == (same.digest_served, 2)
    listed = await call(ann.ListConflicts, steward.ListConflictsRequest(project_id=PROJECT))
    assert [(c.left.identifier.type, c.left.blocked, c.neighbours) for c in listed.conflicts] == [
        ("mobile", True, 2), ("anonymous_id", True, 1),
    ]  # fmt: skip
    await activate(ann, ben, await the_policy(ann, version=1), "p2")
    assert len(set(await persons(ann, CUSTOMERS[0], MOBILE, DEVICE, COOKIE))) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda p: p.ClearField("types"), "policy.types"),
        (lambda p: setattr(p, "max_person_size", 1), "policy.max_person_size"),
        (lambda p: setattr(p, "max_neighbours", 5), "policy.max_neighbours"),
        (lambda p: setattr(p, "preset", "novel"), "policy.preset"),
        (lambda p: setattr(p.types[0], "max_per_person", 2), "policy.types[0].max_per_person"),
        (lambda p: setattr(p.types[0], "type", "novel"), "policy.types[0].type"),
        (lambda p: setattr(p.types[0], "normaliser", "upper"), "policy.types[0].normaliser"),
        (lambda p: p.blocked.add(type="novel", value="x"), "policy.blocked[0].type"),
        (lambda p: p.blocked.add(type="*", value=""), "policy.blocked[0].value"),
        (lambda p: p.blocked.add(type="mobile", value="139****2222"), "policy.blocked[0].value"),
    ],
)
async def test_a_policy_that_cannot_hold_is_refused(ann, change, field):
    policy = await the_policy(ann, preset="broker")
    change(policy)
    request = policy_pb.SimulatePolicyRequest(project_id=PROJECT, request_id="r", policy=policy)
    with pytest.raises(InvalidInput) as error:
        await call(ann.SimulatePolicy, request)
    assert error.value.field == field


async def test_what_is_not_there_says_so(ann):
    for which in ({"version": 9}, {"preset": "novel"}):
        with pytest.raises(NotFound) as error:
            await the_policy(ann, **which)
        assert error.value.reason == "POLICY_UNKNOWN"
    with pytest.raises(NotFound) as error:
        await done(ann, "none")
    assert error.value.reason == "RUN_UNKNOWN"


async def test_the_past_does_not_change(ann, ben):
    await link(ann, CUSTOMERS[0], DEVICE)
    first = await told(ann)
    await link(ann, DEVICE, COOKIE)
    second = await told(ann, first)
    ids = (CUSTOMERS[0], DEVICE, COOKIE)
    early = await as_of(ann, *ids, sequence=first)
    late = await as_of(ann, *ids, sequence=second)
    assert [bool(item.person_no) for item in early.resolutions] == [True, True, False]
    assert len({item.person_id for item in late.resolutions}) == 1
    time_ms = int(time.time() * 1000)
    await asyncio.sleep(0.005)
    request = steward.UnlinkRequest(
        project_id=PROJECT, request_id="u", reason="r", left=CUSTOMERS[0], right=DEVICE
    )
    await approve(ben, (await call(ann.Unlink, request)).proposal)
    assert await as_of(ann, *ids, sequence=first) == early
    assert await as_of(ann, *ids, sequence=second) == late
    assert await as_of(ann, *ids, time_ms=time_ms) == late
    assert not (await as_of(ann, *ids, sequence=0)).resolutions[0].person_no
    with pytest.raises(PreconditionFailed) as error:
        await as_of(ann, *ids, sequence=99)
    assert error.value.reason == "NOT_SEALED"
    with pytest.raises(InvalidInput):
        await as_of(ann, *ids)


async def test_an_erasure_leaves_nothing_but_the_index(service, ann, ben):
    await link(ann, CUSTOMERS[0], MOBILE)
    await link(ann, MOBILE, DEVICE)
    linked = await told(ann, 1)
    await as_of(ann, MOBILE, sequence=linked)
    old = await persons(ann, MOBILE)
    request = steward.EraseIdentifierRequest(
        project_id=PROJECT, request_id="x", reason="asked for", identifier=MOBILE
    )
    await approve(ben, (await call(ann.EraseIdentifier, request)).proposal)
    assert len(set(await persons(ann, CUSTOMERS[0], MOBILE, DEVICE))) == 3
    identifier = KEYS.of(PROJECT)
    ident_table, evidence = table_of(IdentRow), table_of(EvidenceRow)
    async with service.database.session() as session:
        rows = (await session.execute(select(ident_table))).all()
        left = (await session.execute(select(evidence))).all()
    row = next(row for row in rows if row.type == "mobile")
    from siyu_identity.domain.evidence import Identifier as Plain

    plain = Plain("mobile", "+8613911112222")
    assert (row.value, row.lookup) == (b"", identifier.lookup(plain))
    assert row.person_key != identifier.person_key(plain)
    assert left == []
    await link(ann, CUSTOMERS[0], MOBILE, time_ms=1_900_000_000_000)
    assert len(set(await persons(ann, CUSTOMERS[0], MOBILE))) == 2
    then = await as_of(ann, CUSTOMERS[0], MOBILE, sequence=linked)
    assert [bool(item.person_no) for item in then.resolutions] == [True, False]
    person = await call(ann.GetPerson, pb.GetPersonRequest(project_id=PROJECT, person_no=2))
    assert [item.identifier.value for item in person.person.identifiers] == [""]
    assert await told(ann, linked) > linked
    assert len(old) == 1
