"""Closes gaps of a feed by asking its owner."""

from collections.abc import Sequence
from typing import Final

from siyu.ops.v1 import ops_service_pb2 as pb
from siyu.ops.v1.ops_service_pb2_grpc import OpsServiceStub
from siyu_kit.projects import ALL_PROJECTS
from siyu_kit.rpc.channel import KitChannel
from siyu_kit.rpc.client import call
from siyu_kit.stream.port import Entry, join_id

_TIMEOUT_S: Final = 10.0
_PAGE: Final = 500


class FeedHeal:
    """A ``Heal``: the entries that the stream lacks, from the owner's outbox."""

    def __init__(self, channel: KitChannel, topic: str) -> None:
        self._stub = OpsServiceStub(channel)
        self._topic = topic

    async def __call__(self, partition: int, after: int, before: int) -> Sequence[Entry]:
        request = pb.ReadFeedRequest(
            project_id=ALL_PROJECTS,
            topic=self._topic,
            partition=partition,
            after_sequence=after,
            page_size=min(_PAGE, before - after - 1),
        )
        answer = await call(self._stub.ReadFeed, request, timeout_s=_TIMEOUT_S)
        return [
            Entry(join_id(row.sequence), row.payload, row.count, row.kinds, row.trace or None)
            for row in answer.entries
            if row.sequence < before
        ]
