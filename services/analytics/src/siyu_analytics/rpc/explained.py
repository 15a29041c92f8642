"""ExplainMember's answer as a message."""

from typing import Any, Final

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu_analytics.app.ask_model import ModelAnswer
from siyu_analytics.app.explain_member import Alone, MemberExplanation
from siyu_analytics.app.query_conversion import ConversionAnswer
from siyu_analytics.app.query_events import EventsAnswer
from siyu_analytics.app.query_funnel import FunnelAnswer
from siyu_analytics.domain.funnel_path import Miss
from siyu_analytics.rpc import answers
from siyu_analytics.rpc.models.asked import MODELS
from siyu_analytics.rpc.opening import CONVERSION
from siyu_analytics.rpc.tokens import CellToken

_MISSES: Final = {
    Miss.NONE: pb.FUNNEL_MISS_UNSPECIFIED,
    Miss.NEVER: pb.FUNNEL_MISS_NEVER,
    Miss.BEFORE: pb.FUNNEL_MISS_BEFORE,
    Miss.TOO_LATE: pb.FUNNEL_MISS_TOO_LATE,
    Miss.CUT: pb.FUNNEL_MISS_CUT,
    Miss.OUT_OF_RANGE: pb.FUNNEL_MISS_OUT_OF_RANGE,
    Miss.NOT_ASKED: pb.FUNNEL_MISS_NOT_ASKED,
}


def bounds_of(token: CellToken) -> list[int]:
    """The bounds of the conversion that a token is of; none of anything else."""
    if token.kind != CONVERSION:
        return []
    return list(pb.QueryConversionRequest.FromString(token.question).bounds)


def explained_response(answer: MemberExplanation, kind: str) -> pb.ExplainMemberResponse:
    """The answer, without its key; ``kind`` is that of the cell's token."""
    response = pb.ExplainMemberResponse(
        member=answer.member,
        seen=[
            pb.SeenEvent(event_name=item.name, time_ms=item.time_ms, message_id=item.message_id)
            for item in answer.seen
        ],
        more=answer.more,
    )
    alone = _alone(answer.alone, kind)
    if alone is not None:
        for field in pb.ExplainMemberResponse.DESCRIPTOR.oneofs_by_name["alone"].fields:
            if field.message_type is alone.DESCRIPTOR:
                getattr(response, field.name).CopyFrom(alone)
    if answer.path is not None:
        miss = _MISSES[answer.path.miss]
        response.path.CopyFrom(pb.FunnelPath(times_ms=answer.path.times_ms, miss=miss))
    return response


def _alone(answer: Alone, kind: str) -> Any:
    match answer:
        case EventsAnswer():
            return answers.events_response(answer)
        case FunnelAnswer():
            return answers.funnel_response(answer)
        case ConversionAnswer():
            return answers.conversion_response(answer)
        case ModelAnswer():
            return MODELS[kind].respond(answer, lambda _: "")
        case _:
            return None
