"""The analytics service as the judge of effects."""

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1 import question_pb2
from siyu.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from siyu.condition.v1 import condition_pb2 as condition_pb
from siyu.type.v1 import result_key_pb2 as key_pb
from siyu_kit.rpc.channel import KitChannel
from siyu_kit.rpc.client import call
from siyu_touch.app.ports import Comparison, EffectQuestion, GroupOutcome, Rate
from siyu_touch.rpc.mapping import from_key


class GrpcEffects:
    """``ports.Effects`` over gRPC."""

    def __init__(self, channel: KitChannel) -> None:
        self._stub = AnalyticsServiceStub(channel)

    async def compare(self, question: EffectQuestion) -> Comparison:
        fresh = question.freshness
        request = pb.CompareGroupsRequest(
            project_id=question.project_id,
            treated_bitmap=question.treated.serialize(),
            control_bitmap=question.control.serialize(),
            scope=question_pb2.Scope(
                from_time_ms=question.from_ms,
                to_time_ms=question.to_ms,
                zone=question.zone,
                freshness=key_pb.Freshness(
                    min_batch_no=fresh.min_batch_no,
                    min_identity_sequence=fresh.min_identity_sequence,
                    min_profile_sequence=fresh.min_profile_sequence,
                ),
            ),
            goal=condition_pb.EventFilter.FromString(question.goal),
        )
        response = await call(self._stub.CompareGroups, request)
        return Comparison(
            _group(response.treated),
            _group(response.control),
            _rate(response.difference),
            response.significant,
            from_key(response.key),
        )


def _group(group: pb.GroupOutcome) -> GroupOutcome:
    return GroupOutcome(group.persons.persons, group.converted.persons, _rate(group.rate))


def _rate(rate: question_pb2.Rate) -> Rate:
    return Rate(rate.value, rate.low, rate.high)
