"""The segment service as the source of audiences."""

from pyroaring import BitMap

from siyu.segment.v1 import segment_service_pb2 as pb
from siyu.segment.v1.segment_service_pb2_grpc import SegmentServiceStub
from siyu_kit.rpc.channel import KitChannel
from siyu_kit.rpc.client import call
from siyu_touch.app.ports import Audience


class GrpcSegmentAudiences:
    """``ports.SegmentAudiences`` over gRPC."""

    def __init__(self, channel: KitChannel) -> None:
        self._stub = SegmentServiceStub(channel)

    async def audience(self, project_id: str, segment_id: str) -> Audience:
        request = pb.GetAudienceRequest(project_id=project_id, segment_id=segment_id)
        response = await call(self._stub.GetAudience, request)
        members = BitMap.deserialize(response.bitmap) if response.bitmap else BitMap()
        return Audience(response.run.run_id, members)
