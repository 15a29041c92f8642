"""The analytics service as the source of audiences."""

from pyroaring import BitMap

from siyu.analytics.v1 import analytics_service_pb2 as pb
from siyu.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from siyu.condition.v1 import condition_pb2 as condition_pb
from siyu_kit.rpc.channel import KitChannel
from siyu_kit.rpc.client import call
from siyu_segment.app.ports import AsOf, Audience, Explanation
from siyu_segment.domain.segment import Definition
from siyu_segment.rpc.mapping import from_key, to_freshness


class AnalyticsAudienceSource:
    """``ports.AudienceSource`` over gRPC."""

    def __init__(self, channel: KitChannel, timeout_s: float) -> None:
        self._stub = AnalyticsServiceStub(channel)
        self._timeout_s = timeout_s

    async def evaluate(self, project_id: str, definition: Definition, as_of: AsOf) -> Audience:
        request = pb.EvaluateAudienceRequest(
            project_id=project_id,
            condition=condition_pb.Condition.FromString(definition.condition),
            as_of_time_ms=as_of.time_ms,
            zone=definition.zone,
            freshness=to_freshness(as_of),
        )
        response = await call(self._stub.EvaluateAudience, request, timeout_s=self._timeout_s)
        members = BitMap.deserialize(response.bitmap) if response.bitmap else BitMap()
        return Audience(members, response.population, from_key(response.key))

    async def explain(
        self, project_id: str, definition: Definition, person_no: int, as_of: AsOf
    ) -> Explanation:
        request = pb.ExplainAudienceRequest(
            project_id=project_id,
            condition=condition_pb.Condition.FromString(definition.condition),
            person_no=person_no,
            as_of_time_ms=as_of.time_ms,
            zone=definition.zone,
            freshness=to_freshness(as_of),
        )
        response = await call(self._stub.ExplainAudience, request, timeout_s=self._timeout_s)
        return Explanation(response.member, list(response.nodes), from_key(response.key))
