"""The collect service as the door for touch_* events."""

from collections.abc import Mapping, Sequence

from siyu.collect.v1 import collect_service_pb2 as pb
from siyu.collect.v1.collect_service_pb2_grpc import CollectServiceStub
from siyu.event.v1 import event_pb2
from siyu.type.v1 import identifier_pb2
from siyu_kit.rpc.channel import KitChannel
from siyu_kit.rpc.client import call
from siyu_kit.rpc.status import from_status
from siyu_touch.app.ports import AddressedEvent


class GrpcEventSink:
    """``ports.EventSink`` over gRPC."""

    def __init__(self, channel: KitChannel) -> None:
        self._stub = CollectServiceStub(channel)

    async def ingest(self, project_id: str, events: Sequence[AddressedEvent]) -> Mapping[int, str]:
        request = pb.IngestRequest(
            project_id=project_id, events=[_event(project_id, event) for event in events]
        )
        response = await call(self._stub.Ingest, request)
        return {item.index: from_status(item.status).reason for item in response.refused}


def _event(project_id: str, addressed: AddressedEvent) -> event_pb2.Event:
    event, anchor = addressed.event, addressed.anchor
    properties = {
        "campaign_id": event.campaign_id,
        "channel": event.channel,
        "gate": event.gate,
        "reason": event.reason,
        "send_key": event.send_key,
    }
    return event_pb2.Event(
        project_id=project_id,
        message_id=event.message_id,
        ids=[identifier_pb2.Identifier(type=anchor.type, value=anchor.value)],
        kind=event_pb2.EVENT_KIND_TRACK,
        name=event.name,
        event_time_ms=event.event_time_ms,
        client_time_ms=event.event_time_ms,
        string_properties={key: value for key, value in properties.items() if value},
        source="internal",
    )
