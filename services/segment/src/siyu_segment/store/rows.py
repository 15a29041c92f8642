"""Rows to domain objects and back."""

from siyu_segment.domain.membership import Cause, EvaluationKey, Run, RunState
from siyu_segment.domain.segment import Definition, Segment
from siyu_segment.store.tables import SegmentRow, SegmentRunRow, SegmentVersionRow


def to_segment(row: SegmentRow, version: SegmentVersionRow) -> Segment:
    """A segment with the definition of ``version``."""
    return Segment(
        project_id=row.project_id,
        segment_id=row.segment_id,
        name=row.name,
        description=row.description,
        version=version.version,
        definition=Definition(version.condition, version.zone),
        create_time_ms=row.create_time_ms,
        update_time_ms=row.update_time_ms,
        published_run_id=row.published_run_id,
        size=row.size,
    )


def from_segment(segment: Segment) -> SegmentRow:
    """The row of a segment."""
    return SegmentRow(
        project_id=segment.project_id,
        segment_id=segment.segment_id,
        name=segment.name,
        description=segment.description,
        version=segment.version,
        create_time_ms=segment.create_time_ms,
        update_time_ms=segment.update_time_ms,
        published_run_id=segment.published_run_id,
        size=segment.size,
    )


def version_of(segment: Segment) -> SegmentVersionRow:
    """The row of a segment's present version."""
    return SegmentVersionRow(
        project_id=segment.project_id,
        segment_id=segment.segment_id,
        version=segment.version,
        condition=segment.definition.condition,
        zone=segment.definition.zone,
    )


def to_run(row: SegmentRunRow) -> Run:
    """A run without its members."""
    key = EvaluationKey(
        row.definition_digest,
        row.as_of_time_ms,
        row.batch_no,
        row.identity_sequence,
        row.profile_sequence,
        row.result_digest,
    )
    return Run(
        project_id=row.project_id,
        run_id=row.run_id,
        segment_id=row.segment_id,
        version=row.version,
        state=RunState(row.state),
        start_time_ms=row.start_time_ms,
        end_time_ms=row.end_time_ms,
        key=key,
        size=row.size,
        entered=row.entered,
        left=row.left,
        cause=Cause(row.cause),
        failure=row.failure,
        trace=row.trace,
    )


def from_run(run: Run, members: bytes | None = None) -> SegmentRunRow:
    """The row of a run."""
    return SegmentRunRow(
        project_id=run.project_id,
        run_id=run.run_id,
        segment_id=run.segment_id,
        version=run.version,
        state=int(run.state),
        start_time_ms=run.start_time_ms,
        end_time_ms=run.end_time_ms,
        definition_digest=run.key.definition_digest,
        as_of_time_ms=run.key.as_of_time_ms,
        batch_no=run.key.batch_no,
        identity_sequence=run.key.identity_sequence,
        profile_sequence=run.key.profile_sequence,
        result_digest=run.key.result_digest,
        size=run.size,
        entered=run.entered,
        left=run.left,
        cause=int(run.cause),
        failure=run.failure,
        trace=run.trace,
        members=members,
    )
