"""Reads memberships: pages of members, the bitmap, and why somebody is in or out."""

from dataclasses import dataclass

from pyroaring import BitMap

from siyu_kit.errors import InvalidInput, PreconditionFailed
from siyu_kit.telemetry import link_current
from siyu_segment.app.ports import AsOf, AudienceSource, Explanation, SegmentStore
from siyu_segment.domain.membership import Run, RunState


@dataclass(frozen=True)
class Membership:
    """The members of one published run."""

    run: Run
    members: BitMap


async def read_membership(
    store: SegmentStore, project_id: str, segment_id: str, run_id: str = ""
) -> Membership:
    """Members of a run, by default the last published.

    Raises ``PreconditionFailed`` when the segment was never refreshed or the run did not succeed.
    """
    async with store.transaction() as unit:
        segment = await unit.segment(project_id, segment_id)
        wanted = run_id or segment.published_run_id
        if not wanted:
            raise PreconditionFailed(
                "NEVER_REFRESHED", "the segment has no members yet; refresh it first"
            )
        run = await unit.run(project_id, wanted)
        if run.segment_id != segment_id:
            raise InvalidInput("FIELD_INVALID", "the run is of another segment", field="run_id")
        if run.state is not RunState.SUCCEEDED:
            raise PreconditionFailed("RUN_NOT_PUBLISHED", "the run has not succeeded")
        link_current([run.trace])
        return Membership(run, await unit.members(project_id, wanted))


@dataclass(frozen=True)
class Standing:
    """Whether a person was a member when last published, and how the condition comes out."""

    published: bool
    explanation: Explanation


async def explain_member(
    store: SegmentStore,
    audiences: AudienceSource,
    project_id: str,
    segment_id: str,
    person_no: int,
) -> Standing:
    """Why a person is in or out, by the data of now at the last published run's time."""
    if person_no == 0:
        raise InvalidInput("FIELD_INVALID", "numbers of persons start at 1", field="person_no")
    membership = await read_membership(store, project_id, segment_id)
    run = membership.run
    segment = await store.version(project_id, segment_id, run.version)
    as_of = AsOf(time_ms=run.key.as_of_time_ms)
    explanation = await audiences.explain(project_id, segment.definition, person_no, as_of)
    return Standing(person_no in membership.members, explanation)
