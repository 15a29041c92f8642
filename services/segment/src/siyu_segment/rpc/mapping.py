"""Domain objects to contract messages and back."""

from typing import cast

from siyu.condition.v1 import condition_pb2 as condition_pb
from siyu.event.v1 import membership_change_pb2 as feed_pb
from siyu.segment.v1 import segment_service_pb2 as pb
from siyu.type.v1 import result_key_pb2 as key_pb
from siyu_kit.errors import InvalidInput
from siyu_segment.app.ports import AsOf
from siyu_segment.domain.membership import EvaluationKey, Run
from siyu_segment.domain.segment import Change, Definition, Segment

_CHANGEABLE = ("name", "description", "condition", "zone")


def condition_bytes(condition: condition_pb.Condition) -> bytes:
    """A condition as it is kept: the same condition gives the same bytes."""
    return condition.SerializeToString(deterministic=True)


def definition_of(message: pb.Segment, field: str = "segment.condition") -> Definition:
    """The definition in a message; InvalidInput when there is no condition."""
    if message.condition.WhichOneof("node") is None:
        raise InvalidInput("FIELD_INVALID", "a segment needs a condition", field=field)
    return Definition(condition_bytes(message.condition), message.zone)


def change_of(request: pb.UpdateSegmentRequest) -> Change:
    """What an update asks for; an empty mask means every field that is set."""
    message = request.segment
    paths = list(request.update_mask.paths) or [
        name
        for name in _CHANGEABLE
        if (message.HasField("condition") if name == "condition" else getattr(message, name))
    ]
    for path in paths:
        if path not in _CHANGEABLE:
            raise InvalidInput(
                "FIELD_INVALID", f"{path} can not be changed", field="update_mask.paths"
            )
    wants_condition = "condition" in paths
    return Change(
        name=message.name if "name" in paths else None,
        description=message.description if "description" in paths else None,
        condition=definition_of(message).condition if wants_condition else None,
        zone=message.zone if "zone" in paths else None,
    )


def to_segment(segment: Segment) -> pb.Segment:
    """The contract's segment."""
    return pb.Segment(
        segment_id=segment.segment_id,
        name=segment.name,
        description=segment.description,
        version=segment.version,
        condition=condition_pb.Condition.FromString(segment.definition.condition),
        zone=segment.definition.zone,
        etag=segment.etag,
        create_time_ms=segment.create_time_ms,
        update_time_ms=segment.update_time_ms,
        published_run_id=segment.published_run_id,
        size=segment.size,
    )


def to_run(run: Run) -> pb.SegmentRun:
    """The contract's run."""
    return pb.SegmentRun(
        run_id=run.run_id,
        segment_id=run.segment_id,
        version=run.version,
        state=cast("pb.SegmentRunState.ValueType", int(run.state)),
        key=to_key(run.key),
        size=run.size,
        entered=run.entered,
        left=run.left,
        cause=cast("feed_pb.MembershipCause.ValueType", int(run.cause)),
        start_time_ms=run.start_time_ms,
        end_time_ms=run.end_time_ms,
        failure=run.failure,
    )


def to_key(key: EvaluationKey) -> key_pb.ResultKey:
    """The contract's key."""
    return key_pb.ResultKey(
        definition_digest=key.definition_digest,
        as_of_time_ms=key.as_of_time_ms,
        batch_no=key.batch_no,
        identity_sequence=key.identity_sequence,
        profile_sequence=key.profile_sequence,
        result_digest=key.result_digest,
    )


def from_key(key: key_pb.ResultKey) -> EvaluationKey:
    """The domain's key."""
    return EvaluationKey(
        key.definition_digest,
        key.as_of_time_ms,
        key.batch_no,
        key.identity_sequence,
        key.profile_sequence,
        key.result_digest,
    )


def to_freshness(as_of: AsOf) -> key_pb.Freshness:
    """The contract's freshness."""
    return key_pb.Freshness(
        min_batch_no=as_of.min_batch_no,
        min_identity_sequence=as_of.min_identity_sequence,
        min_profile_sequence=as_of.min_profile_sequence,
    )


def as_of(time_ms: int, freshness: key_pb.Freshness) -> AsOf:
    """The domain's as-of; InvalidInput for a time before 1970."""
    if time_ms < 0:
        raise InvalidInput("FIELD_INVALID", "times start at 1970", field="as_of_time_ms")
    return AsOf(
        time_ms,
        freshness.min_batch_no,
        freshness.min_identity_sequence,
        freshness.min_profile_sequence,
    )
