"""Two people undo, split, forbid and erase; everybody else may look."""

import pytest

from siyu.identity.v1 import identity_service_pb2 as pb
from siyu.identity.v1 import steward_pb2 as steward
from siyu.type.v1.identifier_pb2 import (
    EVIDENCE_CLASS_AUTHENTICATED,
    EVIDENCE_CLASS_INFERRED,
    EVIDENCE_CLASS_STEWARD,
    Identifier,
)
from siyu_kit.errors import (
    AlreadyExists,
    InvalidInput,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
)
from siyu_kit.rpc import call
from support.identity_service import PROJECT, identity_service

pytestmark = pytest.mark.loopback


def ident(kind, value):
    return Identifier(type=kind, value=value)


CUSTOMER, OTHER = ident("customer_no", "80001"), ident("customer_no", "80002")
MOBILE, EMAIL = ident("mobile", "13911112222"), ident("email", "a@example.com")
DEVICE, COOKIE = ident("device_id", "aabbccdd-0001"), ident("anonymous_id", "cookie-1")


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


async def link(stub, *ids, strength=EVIDENCE_CLASS_AUTHENTICATED, time_ms=1_700_000_000_000):
    evidence = pb.Evidence(
        evidence_id=f"e-{ids[0].value}-{ids[-1].value}-{time_ms}-{strength}",
        ids=ids,
        evidence_class=strength,
        event_time_ms=time_ms,
        source="test",
    )
    return await call(stub.Link, pb.LinkRequest(project_id=PROJECT, evidence=evidence))


async def persons(stub, *ids):
    request = pb.ResolveBatchRequest(project_id=PROJECT, identifiers=ids)
    return [item.person_id for item in (await call(stub.ResolveBatch, request)).resolutions]


def asked(name, request_id="r1", **fields):
    kind = getattr(steward, f"{name}Request")
    return kind(project_id=PROJECT, request_id=request_id, reason="because", **fields)


async def propose(stub, name, request_id="r1", **fields):
    return (await call(getattr(stub, name), asked(name, request_id, **fields))).proposal


async def approve(stub, proposal):
    request = steward.ApproveProposalRequest(project_id=PROJECT, proposal_id=proposal.proposal_id)
    return await call(stub.ApproveProposal, request)


async def test_nothing_changes_before_a_second_person_agrees(ann, ben):
    await link(ann, CUSTOMER, DEVICE)
    proposal = await propose(ann, "Unlink", left=CUSTOMER, right=DEVICE)
    assert proposal.state == steward.PROPOSAL_STATE_PROPOSED
    assert len(set(await persons(ann, CUSTOMER, DEVICE))) == 1
    with pytest.raises(PermissionDenied) as error:
        await approve(ann, proposal)
    assert error.value.reason == "SAME_ACTOR"
    applied = await approve(ben, proposal)
    assert applied.proposal.decided_by == "user:ben"
    assert len(set(await persons(ann, CUSTOMER, DEVICE))) == 2
    assert (await approve(ben, proposal)).proposal == applied.proposal
    assert await propose(ann, "Unlink", left=CUSTOMER, right=DEVICE) == applied.proposal


async def test_a_request_id_is_of_one_request_and_a_closed_proposal_stays_closed(ann, ben):
    await link(ann, CUSTOMER, DEVICE, COOKIE)
    proposal = await propose(ann, "Unlink", left=CUSTOMER, right=DEVICE)
    with pytest.raises(AlreadyExists):
        await propose(ann, "Unlink", left=CUSTOMER, right=COOKIE)
    rejected = await call(
        ben.RejectProposal,
        steward.RejectProposalRequest(project_id=PROJECT, proposal_id=proposal.proposal_id),
    )
    assert rejected.proposal.state == steward.PROPOSAL_STATE_REJECTED
    with pytest.raises(PreconditionFailed) as error:
        await approve(ben, proposal)
    assert error.value.reason == "PROPOSAL_CLOSED"
    listed = await call(
        ben.ListProposals, steward.ListProposalsRequest(project_id=PROJECT, page_size=1)
    )
    assert [item.proposal_id for item in listed.proposals] == [proposal.proposal_id]
    assert [item.value for item in listed.proposals[0].identifiers] == ["80001", "aabbccdd-0001"]
    with pytest.raises(NotFound) as error:
        await approve(ben, steward.Proposal(proposal_id="none"))
    assert error.value.reason == "PROPOSAL_UNKNOWN"


@pytest.mark.parametrize(
    ("name", "fields", "kind", "reason"),
    [
        ("Unlink", {"left": CUSTOMER, "right": CUSTOMER}, InvalidInput, "FIELD_INVALID"),
        ("Unlink", {"left": CUSTOMER, "right": EMAIL}, NotFound, "IDENTIFIER_UNKNOWN"),
        ("Unlink", {"left": MOBILE, "right": DEVICE}, NotFound, "EVIDENCE_UNKNOWN"),
        ("Split", {"groups": []}, InvalidInput, "FIELD_INVALID"),
        ("Retire", {"identifier": CUSTOMER, "superseded_by": MOBILE}, PreconditionFailed,
         "OPERATION_UNFIT"),
        ("CannotLink", {"left": CUSTOMER, "right": CUSTOMER}, PreconditionFailed,
         "OPERATION_UNFIT"),
    ],
)  # fmt: skip
async def test_what_makes_no_sense_is_not_even_proposed(ann, name, fields, kind, reason):
    await link(ann, CUSTOMER, MOBILE, DEVICE)
    with pytest.raises(kind) as error:
        await propose(ann, name, **fields)
    assert error.value.reason == reason


@pytest.mark.parametrize("name", ["ListProposals", "ListReviews"])
async def test_a_state_that_is_none_is_refused(ann, name):
    request = getattr(steward, f"{name}Request")(project_id=PROJECT, state=99)
    with pytest.raises(InvalidInput) as error:
        await call(getattr(ann, name), request)
    assert (error.value.reason, error.value.field) == ("FIELD_INVALID", "state")


async def test_a_split_person_does_not_grow_together_again(ann, ben):
    await link(ann, MOBILE, DEVICE, COOKIE)
    await link(ann, EMAIL, DEVICE)
    groups = [steward.IdentifierGroup(identifiers=[EMAIL, DEVICE])]
    await approve(ben, await propose(ann, "Split", groups=groups))
    mobile, email, device, cookie = await persons(ann, MOBILE, EMAIL, DEVICE, COOKIE)
    assert (mobile, email) == (cookie, device)
    assert mobile != email
    await link(ann, MOBILE, EMAIL, time_ms=1_900_000_000_000)
    assert (await persons(ann, MOBILE, EMAIL)) == [mobile, email]
    conflicts = await call(ann.ListConflicts, steward.ListConflictsRequest(project_id=PROJECT))
    verdicts = [item.link.verdict for item in conflicts.conflicts]
    assert verdicts == [steward.LINK_VERDICT_CANNOT_LINK]
    lifted = await propose(ann, "CannotLink", "r2", left=MOBILE, right=EMAIL, lifted=True)
    await approve(ben, lifted)
    assert len(set(await persons(ann, MOBILE, EMAIL, DEVICE, COOKIE))) == 1


async def test_a_new_customer_number_takes_the_place_of_the_old_one(ann, ben):
    await link(ann, CUSTOMER, MOBILE)
    await link(ann, OTHER, DEVICE)
    fields = {"identifier": CUSTOMER, "superseded_by": OTHER}
    await approve(ben, await propose(ann, "Retire", **fields))
    found = await persons(ann, OTHER, CUSTOMER, MOBILE, DEVICE)
    assert len(set(found)) == 1
    person = await call(ann.GetPerson, pb.GetPersonRequest(project_id=PROJECT, identifier=MOBILE))
    assert person.person.person_no == person.person.identifiers[0].ident_no
    assert person.person.identifiers[0].identifier.value == "80002"
    back = await propose(ann, "Retire", "r2", **fields, reinstated=True)
    await approve(ben, back)
    customer, mobile, other, device = await persons(ann, CUSTOMER, MOBILE, OTHER, DEVICE)
    assert (customer, other) == (mobile, device)
    assert customer != other


async def test_links_by_hand_need_two_people_too(ann, ben):
    await link(ann, CUSTOMER, MOBILE)
    await link(ann, EMAIL, COOKIE)
    with pytest.raises(InvalidInput) as error:
        await link(ann, CUSTOMER, EMAIL, strength=EVIDENCE_CLASS_STEWARD)
    assert error.value.reason == "EVIDENCE_BY_HAND"
    await approve(ben, await propose(ann, "LinkByHand", left=MOBILE, right=COOKIE))
    assert len(set(await persons(ann, CUSTOMER, MOBILE, EMAIL, COOKIE))) == 1
    request = steward.ExplainRequest(project_id=PROJECT, left=CUSTOMER, right=EMAIL)
    explained = await call(ann.Explain, request)
    assert explained.same_person
    assert [node.identifier.type for node in explained.path] == [
        "customer_no", "mobile", "anonymous_id", "email",
    ]  # fmt: skip
    assert [item.evidence_class for item in explained.links] == [3, 1, 3]


async def test_an_inferred_link_waits_for_somebody_else(ann, ben):
    await link(ann, CUSTOMER, EMAIL, strength=EVIDENCE_CLASS_INFERRED)
    assert len(set(await persons(ann, CUSTOMER, EMAIL))) == 2
    await link(ann, MOBILE, DEVICE, strength=EVIDENCE_CLASS_INFERRED)
    listed = await call(ben.ListReviews, steward.ListReviewsRequest(project_id=PROJECT))
    first, second = listed.reviews
    assert {first.left.type, first.right.type} == {"customer_no", "email"}

    def decision(review, accept):
        return steward.DecideReviewRequest(
            project_id=PROJECT,
            left_ident_no=review.left_ident_no,
            right_ident_no=review.right_ident_no,
            accept=accept,
        )

    with pytest.raises(PermissionDenied):
        await call(ann.DecideReview, decision(first, True))
    await call(ben.DecideReview, decision(first, True))
    assert len(set(await persons(ann, CUSTOMER, EMAIL))) == 1
    await call(ben.DecideReview, decision(second, False))
    await link(ann, MOBILE, DEVICE, strength=EVIDENCE_CLASS_INFERRED)
    assert len(set(await persons(ann, MOBILE, DEVICE))) == 2
    with pytest.raises(PreconditionFailed) as error:
        await call(ben.DecideReview, decision(second, True))
    assert error.value.reason == "REVIEW_CLOSED"
    left = await call(ben.ListReviews, steward.ListReviewsRequest(project_id=PROJECT))
    assert not left.reviews


async def test_the_graph_says_what_became_of_each_piece_of_evidence(ann):
    await link(ann, CUSTOMER, DEVICE)
    await link(ann, OTHER, DEVICE, time_ms=1_700_000_000_001)
    await link(ann, DEVICE, COOKIE)
    graph = await call(ann.GetGraph, steward.GetGraphRequest(project_id=PROJECT, identifier=COOKIE))
    assert len(graph.nodes) == 4
    verdicts = sorted(item.verdict for item in graph.links)
    assert verdicts == [
        steward.LINK_VERDICT_ACCEPTED, steward.LINK_VERDICT_ACCEPTED,
        steward.LINK_VERDICT_TYPE_LIMIT,
    ]  # fmt: skip
    request = steward.ExplainRequest(project_id=PROJECT, left=OTHER, right=COOKIE)
    explained = await call(ann.Explain, request)
    assert not explained.same_person
    assert [(item.verdict, item.type) for item in explained.links] == [
        (steward.LINK_VERDICT_TYPE_LIMIT, "customer_no")
    ]


async def test_who_reads_may_not_decide(service, ann):
    await link(ann, CUSTOMER, DEVICE)
    operator = service.stub_of("user:op", "operator")
    with pytest.raises(PermissionDenied):
        await propose(operator, "Unlink", left=CUSTOMER, right=DEVICE)
    proposal = await propose(ann, "Unlink", left=CUSTOMER, right=DEVICE)
    with pytest.raises(PermissionDenied):
        await approve(operator, proposal)
