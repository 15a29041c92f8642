"""From the domain's answers to the contract's messages.

The digest of a result is over the message itself before tokens and key are in it, so it is over
every number and every group that the caller sees.
"""

from google.protobuf.message import Message

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.type.v1 import result_key_pb2
from siyu_analytics.app.compare_groups import ComparisonAnswer, Outcome
from siyu_analytics.app.find_turning_point import TurningPointAnswer
from siyu_analytics.app.query_conversion import ConversionAnswer
from siyu_analytics.app.query_events import EventsAnswer
from siyu_analytics.app.query_funnel import FunnelAnswer
from siyu_analytics.domain.breakdown import GroupKey
from siyu_analytics.domain.events import EventRow
from siyu_analytics.domain.funnel import FunnelGroup
from siyu_analytics.domain.intervals import Rate
from siyu_analytics.rpc.tokens import CellMinter
from siyu_kit.crypto import sm3


def sealed(key: result_key_pb2.ResultKey, question: Message, result: bytes) -> None:
    """Writes the digests of a question and of its result into a key."""
    key.definition_digest = sm3(question.SerializeToString(deterministic=True)).hex()
    key.result_digest = sm3(result).hex()


def numbers_of(message: Message) -> bytes:
    """The bytes that a result's digest is over."""
    return message.SerializeToString(deterministic=True)


def events_response(answer: EventsAnswer) -> pb.QueryEventsResponse:
    """QueryEvents, without tokens."""
    return pb.QueryEventsResponse(
        rows=[_event_row(row) for row in answer.rows], total=_event_row(answer.total)
    )


def _event_row(row: EventRow) -> pb.EventRow:
    return pb.EventRow(
        time_ms=row.time_ms or 0,
        group=group_message(row.group) if row.group else None,
        events=row.events,
        cell=pb.Cell(persons=row.persons),
        measure=row.measure,
    )


def mint_events(response: pb.QueryEventsResponse, answer: EventsAnswer, mint: CellMinter) -> None:
    """Gives every row its token."""
    response.total.cell.token = mint.mint((None, None))
    for message, row in zip(response.rows, answer.rows, strict=True):
        message.cell.token = mint.mint((row.time_ms, row.group))


def funnel_response(answer: FunnelAnswer) -> pb.QueryFunnelResponse:
    """QueryFunnel, without tokens."""
    return pb.QueryFunnelResponse(
        total=_funnel_group(answer.total), groups=[_funnel_group(group) for group in answer.groups]
    )


def _funnel_group(group: FunnelGroup) -> pb.FunnelGroup:
    last = len(group.steps) - 1
    steps = [
        pb.FunnelStep(
            reached=pb.Cell(persons=step.reached),
            lost=pb.Cell(persons=step.lost) if position < last else None,
            step_rate=step.step_rate,
            median_ms=step.median_ms,
        )
        for position, step in enumerate(group.steps)
    ]
    return pb.FunnelGroup(
        group=group_message(group.group) if group.group else None,
        steps=steps,
        overall_rate=group.overall_rate,
    )


def mint_funnel(response: pb.QueryFunnelResponse, answer: FunnelAnswer, mint: CellMinter) -> None:
    """Gives every cell its token."""
    pairs = zip((response.total, *response.groups), (answer.total, *answer.groups), strict=True)
    for message, group in pairs:
        for position, step in enumerate(message.steps):
            step.reached.token = mint.mint((position, False, group.group))
            if step.HasField("lost"):
                step.lost.token = mint.mint((position, True, group.group))


def conversion_response(answer: ConversionAnswer) -> pb.QueryConversionResponse:
    """QueryConversion, without tokens."""
    return pb.QueryConversionResponse(
        buckets=[
            pb.ConversionBucket(
                from_count=bucket.from_count,
                to_count=bucket.to_count,
                persons=pb.Cell(persons=bucket.persons),
                converted=pb.Cell(persons=bucket.converted),
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
        persons=pb.Cell(persons=side.persons),
        converted=pb.Cell(persons=side.converted),
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


def group_message(group: GroupKey) -> pb.Group:
    """A group."""
    return pb.Group(value=group.value, missing=group.missing, other=group.other)


def rate_message(rate: Rate) -> pb.Rate:
    """A share with its interval."""
    return pb.Rate(value=rate.value, low=rate.low, high=rate.high)
