"""Records as events, through the gRPC door."""

from collections.abc import Sequence
from functools import partial

from siyu.collect.v1 import collect_service_pb2 as collect
from siyu.event.v1 import event_pb2 as event
from siyu.type.v1.identifier_pb2 import EVIDENCE_CLASS_AUTHENTICATED
from siyu.type.v1.value_pb2 import StringList
from siyu_client.client import SiyuClient, call
from siyu_demo.records import Record
from siyu_demo.story.arrival.patience import patiently
from siyu_demo.story.questions import identifier_messages
from siyu_demo.story.stage import PROJECT

_BATCH = 1_000


async def ingest(client: SiyuClient, records: Sequence[Record]) -> tuple[int, int]:
    """Send records by gRPC; how many were accepted and refused."""
    accepted = refused = 0
    for start in range(0, len(records), _BATCH):
        request = collect.IngestRequest(
            project_id=PROJECT, events=map(event_of, records[start : start + _BATCH])
        )
        answer = await patiently(partial(call, client.collect.Ingest, request))
        accepted += answer.accepted
        refused += len(answer.refused)
    return accepted, refused


def event_of(record: Record) -> event.Event:
    """A record as the contract says it."""
    message = event.Event(
        project_id=PROJECT,
        message_id=record.message_id,
        ids=identifier_messages(record.ids.items()),
        kind=event.EventKind.Value(f"EVENT_KIND_{record.type.upper()}"),
        name=record.event,
        event_time_ms=record.time,
    )
    if record.authenticated:
        message.evidence_class = EVIDENCE_CLASS_AUTHENTICATED
    for name, value in record.properties.items():
        if isinstance(value, bool):
            message.bool_properties[name] = value
        elif isinstance(value, str):
            message.string_properties[name] = value
        elif isinstance(value, list):
            message.list_properties[name].CopyFrom(StringList(values=value))
        else:
            message.number_properties[name] = value
    return message
