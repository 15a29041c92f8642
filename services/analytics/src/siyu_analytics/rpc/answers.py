"""From the domain's answers to the contract's messages.

The digest of a result is over the message itself before tokens and key are in it, so it is over
every number and every group that the caller sees.
"""

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1 import question_pb2
from siyu.type.v1 import result_key_pb2
from siyu_analytics.app.compare_groups import ComparisonAnswer, Outcome
from siyu_analytics.app.find_turning_point import TurningPointAnswer
from siyu_analytics.app.ports import Snapshot
from siyu_analytics.app.query_conversion import ConversionAnswer
from siyu_analytics.app.query_events import EventsAnswer
from siyu_analytics.app.query_funnel import FunnelAnswer
from siyu_analytics.domain.breakdown import GroupKey
from siyu_analytics.domain.events import EventRow
from siyu_analytics.domain.funnel import FunnelGroup
from siyu_analytics.domain.intervals import Rate
from siyu_analytics.rpc.tokens import CellMinter
from siyu_kit.crypto import sm3


def bytes_of(message: Message) -> bytes:
    """The bytes that the digest of a question, or of its result, is over."""
    return message.SerializeToString(deterministic=True)


def seal(
    response: Any, snapshot: Snapshot, as_of_ms: int, question: Message | bytes, numbers: bytes
) -> None:
    """Writes a result's key: the state it is of, the digests of its question and of its numbers."""
    asked = question if isinstance(question, bytes) else bytes_of(question)
    key = result_key_pb2.ResultKey(
        as_of_time_ms=as_of_ms,
        batch_no=snapshot.batch_no,
        identity_sequence=snapshot.identity_sequence,
        profile_sequence=snapshot.profile_sequence,
        definition_digest=sm3(asked).hex(),
        result_digest=sm3(numbers).hex(),
    )
    response.key.CopyFrom(key)


def events_response(answer: EventsAnswer) -> pb.QueryEventsResponse:
    """QueryEvents, without tokens."""
    return pb.QueryEventsResponse(
        rows=[_event_row(row) for row in answer.rows],
        total=_event_row(answer.total),
        compared_rows=[_event_row(row) for row in answer.compared[1:]],
        compared_total=_event_row(answer.compared[0]) if answer.compared else None,
    )


def _event_row(row: EventRow) -> pb.EventRow:
    return pb.EventRow(
        time_ms=row.time_ms or 0,
        group=group_message(row.group) if row.group else None,
        events=row.events,
        cell=question_pb2.Cell(persons=row.persons),
        measure=row.measure,
    )


def mint_events(response: pb.QueryEventsResponse, answer: EventsAnswer, mint: CellMinter) -> None:
    """Gives every row its token."""
    response.total.cell.token = mint.mint((None, None, False))
    for message, row in zip(response.rows, answer.rows, strict=True):
        message.cell.token = mint.mint((row.time_ms, row.group, False))
    if answer.compared:
        response.compared_total.cell.token = mint.mint((None, None, True))
    for message, row in zip(response.compared_rows, answer.compared[1:], strict=True):
        message.cell.token = mint.mint((row.time_ms, row.group, True))


def funnel_response(answer: FunnelAnswer) -> pb.QueryFunnelResponse:
    """QueryFunnel, without tokens."""
    buckets = answer.request.buckets
    return pb.QueryFunnelResponse(
        total=_funnel_group(answer.total, buckets),
        groups=[_funnel_group(group, buckets) for group in answer.groups],
        trend=[_funnel_group(group, []) for group in answer.trend],
    )


def _funnel_group(group: FunnelGroup, buckets: Sequence[tuple[int, int]]) -> pb.FunnelGroup:
    last = len(group.steps) - 1
    steps = [
        pb.FunnelStep(
            reached=question_pb2.Cell(persons=step.reached),
            lost=question_pb2.Cell(persons=step.lost) if position < last else None,
            step_rate=step.step_rate,
            median_ms=step.median_ms,
        )
        for position, step in enumerate(group.steps)
    ]
    return pb.FunnelGroup(
        group=group_message(group.group) if group.group else None,
        steps=steps,
        overall_rate=group.overall_rate,
        convert_median_ms=group.convert_median_ms,
        convert_mean_ms=group.convert_mean_ms,
        histogram=[
            pb.ConvertBucket(from_ms=low, to_ms=high, persons=question_pb2.Cell(persons=number))
            for (low, high), number in zip(buckets, group.converted, strict=True)
        ],
        period_ms=group.period_ms or 0,
    )


def mint_funnel(response: pb.QueryFunnelResponse, answer: FunnelAnswer, mint: CellMinter) -> None:
    """Gives every cell its token."""
    messages = (response.total, *response.groups, *response.trend)
    for message, group in zip(messages, (answer.total, *answer.groups, *answer.trend), strict=True):
        place = (group.group, group.period_ms)
        for position, step in enumerate(message.steps):
            step.reached.token = mint.mint((position, False, *place, None))
            if step.HasField("lost"):
                step.lost.token = mint.mint((position, True, *place, None))
        last = len(message.steps) - 1
        for bucket in message.histogram:
            bounds = (bucket.from_ms, bucket.to_ms)
            bucket.persons.token = mint.mint((last, False, *place, bounds))


def conversion_response(answer: ConversionAnswer) -> pb.QueryConversionResponse:
    """QueryConversion, without tokens."""
    return pb.QueryConversionResponse(
        buckets=[
            pb.ConversionBucket(
                from_count=bucket.from_count,
                to_count=bucket.to_count,
                persons=question_pb2.Cell(persons=bucket.persons),
                converted=question_pb2.Cell(persons=bucket.converted),
                rate=rate_message(bucket.rate),
            )
            for bucket in answer.buckets
        ]
    )


def mint_conversion(response: pb.QueryConversionResponse, mint: CellMinter) -> None:
    """Gives every cell its token."""
    for bucket in response.buckets:
        bounds = (bucket.from_count, bucket.to_count)
        bucket.persons.token = mint.mint((*bounds, False))
        bucket.converted.token = mint.mint((*bounds, True))


def turning_point_response(answer: TurningPointAnswer) -> pb.FindTurningPointResponse:
    """FindTurningPoint."""
    return pb.FindTurningPointResponse(
        k=answer.k,
        candidates=[
            pb.TurningPointCandidate(
                k=item.k,
                true_positive=item.true_positive,
                false_positive=item.false_positive,
                false_negative=item.false_negative,
                true_negative=item.true_negative,
                phi=item.phi,
            )
            for item in answer.candidates
        ],
    )


def comparison_response(answer: ComparisonAnswer) -> pb.CompareGroupsResponse:
    """CompareGroups, without tokens."""
    return pb.CompareGroupsResponse(
        treated=_outcome(answer.treated),
        control=_outcome(answer.control),
        difference=rate_message(answer.difference),
        significant=answer.significant,
    )


def _outcome(side: Outcome) -> pb.GroupOutcome:
    return pb.GroupOutcome(
        persons=question_pb2.Cell(persons=side.persons),
        converted=question_pb2.Cell(persons=side.converted),
        rate=rate_message(side.rate),
    )


def mint_comparison(
    response: pb.CompareGroupsResponse, answer: ComparisonAnswer, mint: CellMinter
) -> None:
    """Gives every cell its token."""
    sides = ((response.treated, answer.treated), (response.control, answer.control))
    for message, side in sides:
        message.persons.token = mint.mint((side.digest, False))
        message.converted.token = mint.mint((side.digest, True))


def group_message(group: GroupKey) -> question_pb2.Group:
    """A group."""
    return question_pb2.Group(value=group.value, missing=group.missing, other=group.other)


def rate_message(rate: Rate) -> question_pb2.Rate:
    """A share with its interval."""
    return question_pb2.Rate(value=rate.value, low=rate.low, high=rate.high)
