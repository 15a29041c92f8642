"""What a project answers before it is destroyed and after it is put back."""

from collections.abc import Sequence
from dataclasses import dataclass

from siyu.analytics.v1 import analytics_service_pb2 as analytics
from siyu.segment.v1 import segment_service_pb2 as segment
from siyu.touch.v1 import touch_service_pb2 as touch
from siyu_client.client import SiyuClient, call
from support.living_platform import now_ms


@dataclass(frozen=True)
class Numbers:
    """What a project answers; two equal ones are the same data."""

    events: int
    members: tuple[int, ...]
    decisions: int
    head: str
    balanced: bool


async def numbers(client: SiyuClient, project: str, segment_id: str) -> Numbers:
    """Ask for them."""
    watermark = await call(
        client.analytics.GetWatermark, analytics.GetWatermarkRequest(project_id=project)
    )
    listed = await call(
        client.segment.ListSegmentMembers,
        segment.ListSegmentMembersRequest(
            project_id=project, segment_id=segment_id, page_size=1_000
        ),
    )
    chain = await call(
        client.touch.VerifyDecisions, touch.VerifyDecisionsRequest(project_id=project)
    )
    account = await call(
        client.analytics.GetReconciliation, analytics.GetReconciliationRequest(project_id=project)
    )
    assert chain.intact
    return Numbers(
        watermark.events,
        tuple(listed.person_nos),
        chain.decisions,
        chain.head_digest,
        account.balanced,
    )


async def report_all(client: SiyuClient, project: str, send_keys: Sequence[str]) -> list[int]:
    """Report what the provider has as delivered; the codes."""
    receipts = [
        touch.Receipt(send_key=key, state=touch.SEND_STATE_DELIVERED, event_time_ms=now_ms())
        for key in send_keys
    ]
    request = touch.RecordReceiptsRequest(project_id=project, receipts=receipts)
    answer = await call(client.touch.RecordReceipts, request)
    return [result.status.code for result in answer.results]
