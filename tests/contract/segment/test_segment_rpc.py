import asyncio

import pytest
from pyroaring import BitMap

from siyu.condition.v1 import condition_pb2 as cond
from siyu.segment.v1 import segment_service_pb2 as pb
from siyu.segment.v1.segment_service_pb2_grpc import SegmentServiceStub
from siyu_kit.errors import (
    AlreadyExists,
    Conflict,
    DependencyDown,
    InvalidInput,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    StaleEtag,
    TooBusy,
    Unauthenticated,
)
from siyu_kit.rpc.client import call
from siyu_segment.app.ports import Audience
from siyu_segment.domain.membership import EvaluationKey

EVERYONE = cond.Condition(everyone=cond.Everyone())
NOBODY = cond.Condition(none_of=cond.NoneOf(conditions=[EVERYONE]))


def creation(name="s", request_id="r1", condition=EVERYONE):
    return pb.CreateSegmentRequest(
        project_id="p",
        request_id=request_id,
        segment=pb.Segment(name=name, condition=condition),
    )


async def created(segments, name="s", request_id="r1"):
    return (await call(segments.stub.CreateSegment, creation(name, request_id))).segment


async def refreshed(segments, segment_id, request_id):
    request = pb.RefreshSegmentRequest(project_id="p", segment_id=segment_id, request_id=request_id)
    return (await call(segments.stub.RefreshSegment, request)).run


async def changes(segments, after=0, size=10):
    request = pb.ListMembershipChangesRequest(project_id="p", after_sequence=after, page_size=size)
    return await call(segments.stub.ListMembershipChanges, request)


async def test_the_same_request_creates_one_segment(segments):
    first = await created(segments)
    assert (await created(segments)) == first
    assert (first.version, first.zone, first.size) == (1, "Asia/Shanghai", 0)
    with pytest.raises(AlreadyExists) as reused:
        await call(segments.stub.CreateSegment, creation("other"))
    assert reused.value.reason == "REQUEST_ID_REUSED"


async def test_a_taken_name_is_refused(segments):
    await created(segments)
    with pytest.raises(AlreadyExists) as taken:
        await created(segments, request_id="r2")
    assert taken.value.reason == "NAME_TAKEN"


async def test_a_condition_that_cannot_be_evaluated_is_refused_at_creation(segments):
    segments.audiences.error = InvalidInput("FIELD_INVALID", "unknown zone", field="zone")
    with pytest.raises(InvalidInput) as refused:
        await created(segments)
    assert refused.value.field == "zone"
    segments.audiences.error = None
    assert (await created(segments)).version == 1


async def test_a_segment_without_a_condition_is_refused(segments):
    with pytest.raises(InvalidInput) as refused:
        await call(segments.stub.CreateSegment, creation(condition=cond.Condition()))
    assert refused.value.field == "segment.condition"


async def test_members_enter_and_leave_and_the_feed_folds_to_the_membership(segments, members):
    relay = asyncio.create_task(segments.relay.run())
    segment = await created(segments)
    folded: set[int] = set()
    for number, wanted in enumerate([{1, 2, 3}, {2, 3, 4, 5}, set(), {9}]):
        members.clear()
        members |= wanted
        run = await refreshed(segments, segment.segment_id, f"n{number}")
        assert run.size == len(wanted)
    while len((page := await changes(segments)).changes) < 4:
        await asyncio.sleep(0.02)
    sequences = [change.sequence for change in page.changes]
    assert sequences == sorted(set(sequences))
    for change in page.changes:
        folded |= set(change.batch.entered_person_nos)
        folded -= set(change.batch.left_person_nos)
    assert folded == {9}
    assert [change.batch.cause for change in page.changes] == [2, 1, 1, 1]
    rest = await changes(segments, after=sequences[1], size=1)
    assert [change.sequence for change in rest.changes] == [sequences[2]]
    assert rest.more
    relay.cancel()


async def test_a_repeated_refresh_is_the_same_run(segments, members):
    segment = await created(segments)
    members |= {1}
    first = await refreshed(segments, segment.segment_id, "n")
    members |= {2}
    assert await refreshed(segments, segment.segment_id, "n") == first


async def test_a_refresh_that_fails_leaves_the_published_membership(segments, members):
    segment = await created(segments)
    members |= {1, 2}
    await refreshed(segments, segment.segment_id, "n1")
    segments.audiences.error = InvalidInput("FIELD_INVALID", "no", field="x")
    with pytest.raises(InvalidInput):
        await refreshed(segments, segment.segment_id, "n2")
    request = pb.ListSegmentMembersRequest(project_id="p", segment_id=segment.segment_id)
    listed = await call(segments.stub.ListSegmentMembers, request)
    assert list(listed.person_nos) == [1, 2]


@pytest.mark.parametrize(
    "error",
    [DependencyDown("DEPENDENCY_DOWN", "away"), TooBusy("OVERLOADED", "no", retry_after_s=0.01)],
)
async def test_a_run_that_nobody_had_time_for_is_taken_up_by_the_repeat(segments, members, error):
    segment = await created(segments)
    members |= {1, 2}

    async def come_again():
        segments.audiences.before_answer = None
        raise error

    # The client repeats it by itself.
    segments.audiences.before_answer = come_again
    run = await refreshed(segments, segment.segment_id, "n")
    assert (run.failure, run.size) == ("", 2)


async def test_a_definition_changed_during_the_run_is_not_published(segments, members):
    segment = await created(segments)
    members |= {1}

    async def change_it():
        segments.audiences.before_answer = None
        update = pb.UpdateSegmentRequest(project_id="p", segment=segment)
        update.segment.condition.CopyFrom(NOBODY)
        await call(segments.stub.UpdateSegment, update)

    segments.audiences.before_answer = change_it
    with pytest.raises(Conflict) as lost:
        await refreshed(segments, segment.segment_id, "n")
    assert lost.value.reason == "VERSION_CHANGED"


async def overlapping(segments, segment_id, slow_key, fast_key):
    """Two refreshes of which the first began first and ends last."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def evaluate(project_id, definition, as_of):
        if not begun.is_set():
            begun.set()
            await go_on.wait()
            return Audience(BitMap([1]), 100, slow_key)
        return Audience(BitMap([1, 2, 3]), 100, fast_key)

    segments.audiences.evaluate = evaluate
    slow = asyncio.create_task(refreshed(segments, segment_id, "slow"))
    await begun.wait()
    fast = await refreshed(segments, segment_id, "fast")
    go_on.set()
    return slow, fast


@pytest.mark.parametrize(
    "older",
    [
        EvaluationKey("d", 1000, 9, 9, 9),
        EvaluationKey("d", 2000, 3, 9, 9),
        EvaluationKey("d", 2000, 9, 3, 9),
        EvaluationKey("d", 2000, 99, 99, 3),
    ],
    ids=["time", "events", "persons", "profiles"],
)
async def test_a_refresh_that_saw_less_does_not_replace_one_that_saw_more(segments, older):
    segment = await created(segments)
    newer = EvaluationKey("d", 2000, 9, 9, 9)
    slow, fast = await overlapping(segments, segment.segment_id, older, newer)
    with pytest.raises(Conflict) as lost:
        await slow
    assert lost.value.reason == "RUN_OVERTAKEN"
    assert lost.value.metadata["run_id"] == fast.run_id
    request = pb.GetAudienceRequest(project_id="p", segment_id=segment.segment_id)
    audience = await call(segments.stub.GetAudience, request)
    assert (BitMap.deserialize(audience.bitmap), audience.run) == (BitMap([1, 2, 3]), fast)
    again = await refreshed(segments, segment.segment_id, "slow")
    assert again.failure.startswith("RUN_OVERTAKEN")


async def test_a_refresh_that_saw_no_less_is_published_though_it_began_first(segments):
    segment = await created(segments)
    same = EvaluationKey("d", 2000, 9, 9, 9)
    slow, _ = await overlapping(segments, segment.segment_id, same, same)
    assert ((await slow).size, (await slow).left) == (1, 2)


async def test_an_earlier_time_may_be_published_on_purpose(segments, members):
    segment = await created(segments)
    members |= {1, 2}
    await refreshed(segments, segment.segment_id, "now")
    request = pb.RefreshSegmentRequest(
        project_id="p", segment_id=segment.segment_id, request_id="then", as_of_time_ms=5
    )
    assert (await call(segments.stub.RefreshSegment, request)).run.key.as_of_time_ms == 5


async def test_an_update_needs_the_present_etag_and_a_known_field(segments):
    segment = await created(segments)
    update = pb.UpdateSegmentRequest(project_id="p", segment=segment)
    update.segment.name = "renamed"
    update.update_mask.paths.append("name")
    renamed = (await call(segments.stub.UpdateSegment, update)).segment
    assert (renamed.name, renamed.version) == ("renamed", 1)
    with pytest.raises(StaleEtag):
        await call(segments.stub.UpdateSegment, update)
    update.update_mask.paths[:] = ["size"]
    with pytest.raises(InvalidInput) as refused:
        await call(segments.stub.UpdateSegment, update)
    assert refused.value.field == "update_mask.paths"


async def test_an_older_version_stays_readable(segments):
    segment = await created(segments)
    update = pb.UpdateSegmentRequest(project_id="p", segment=segment)
    update.segment.condition.CopyFrom(NOBODY)
    assert (await call(segments.stub.UpdateSegment, update)).segment.version == 2
    read = pb.GetSegmentRequest(project_id="p", segment_id=segment.segment_id, version=1)
    assert (await call(segments.stub.GetSegment, read)).segment.condition == EVERYONE
    read.version = 7
    with pytest.raises(NotFound):
        await call(segments.stub.GetSegment, read)


async def test_pages_of_members_and_segments(segments, members):
    for number in range(5):
        last = await created(segments, f"s{number}", f"r{number}")
    request = pb.ListSegmentsRequest(project_id="p", page_size=2)
    names = []
    while True:
        page = await call(segments.stub.ListSegments, request)
        names += [segment.name for segment in page.segments]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert names == [f"s{number}" for number in range(5)]
    members |= {5, 6, 7, 4_000_000_000}
    await refreshed(segments, last.segment_id, "n")
    listing = pb.ListSegmentMembersRequest(project_id="p", segment_id=last.segment_id, page_size=3)
    first = await call(segments.stub.ListSegmentMembers, listing)
    listing.page_token = first.next_page_token
    second = await call(segments.stub.ListSegmentMembers, listing)
    assert [*first.person_nos, *second.person_nos] == [5, 6, 7, 4_000_000_000]
    assert (first.total, second.next_page_token) == (4, "")
    listing.segment_id = "another"
    with pytest.raises(NotFound):
        await call(segments.stub.ListSegmentMembers, listing)


async def test_a_token_of_another_listing_is_refused(segments):
    for number in range(2):
        await created(segments, f"s{number}", f"r{number}")
    request = pb.ListSegmentsRequest(project_id="p", page_size=1)
    page = await call(segments.stub.ListSegments, request)
    request.page_token = page.next_page_token[:-2] + "AA"
    with pytest.raises(InvalidInput) as refused:
        await call(segments.stub.ListSegments, request)
    assert refused.value.reason == "PAGE_TOKEN_INVALID"


async def test_audience_and_explanation(segments, members):
    segment = await created(segments)
    request = pb.GetAudienceRequest(project_id="p", segment_id=segment.segment_id)
    with pytest.raises(PreconditionFailed) as early:
        await call(segments.stub.GetAudience, request)
    assert early.value.reason == "NEVER_REFRESHED"
    members |= {1, 5}
    run = await refreshed(segments, segment.segment_id, "n")
    audience = await call(segments.stub.GetAudience, request)
    assert BitMap.deserialize(audience.bitmap) == BitMap([1, 5])
    assert audience.run == run
    members -= {5}
    why = pb.ExplainMemberRequest(project_id="p", segment_id=segment.segment_id, person_no=5)
    answer = await call(segments.stub.ExplainMember, why)
    assert (answer.member_published, answer.member) == (True, False)
    assert answer.key.as_of_time_ms == run.key.as_of_time_ms


async def test_who_may_not_call(segments):
    request = pb.ListSegmentsRequest(project_id="p")
    other = SegmentServiceStub(segments.served.channel("operator", projects=["q"]))
    with pytest.raises(PermissionDenied):
        await call(other.ListSegments, request)
    ingest = SegmentServiceStub(segments.served.channel("ingest", projects=["p"]))
    with pytest.raises(PermissionDenied):
        await call(ingest.ListSegments, request)
    with pytest.raises(Unauthenticated):
        await call(SegmentServiceStub(segments.served.anonymous()).ListSegments, request)


async def test_a_sequence_larger_than_any_is_refused(segments):
    with pytest.raises(InvalidInput) as refused:
        await changes(segments, after=2**63)
    assert (refused.value.reason, refused.value.field) == ("FIELD_INVALID", "after_sequence")
