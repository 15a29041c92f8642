"""A running platform for end-to-end tests: how to send, ask and wait."""

import asyncio
import base64
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice

import httpx

from siyu.analytics.v1 import analytics_service_pb2 as analytics_pb
from siyu.analytics.v1 import question_pb2
from siyu.condition.v1 import condition_pb2 as cond
from siyu.identity.v1 import identity_service_pb2 as identity_pb
from siyu.identity.v1 import steward_pb2 as steward_pb
from siyu.type.v1 import identifier_pb2, result_key_pb2
from siyu.type.v1.value_pb2 import Value
from siyu_client.client import SiyuClient, call
from siyu_client.platform import Platform
from siyu_demo.records import Record

DAY_MS = 86_400_000
HOUR_MS = 3_600_000


def now_ms() -> int:
    """The time, milliseconds UTC."""
    return time.time_ns() // 1_000_000


def event(name: str, **equals: object) -> cond.EventFilter:
    """Events of a name whose properties equal these values."""
    filters = [
        cond.PropertyFilter(property=key, operator=cond.OPERATOR_EQ, operands=[value(wanted)])
        for key, wanted in equals.items()
    ]
    return cond.EventFilter(event_name=name, filters=filters)


def value(plain: object) -> Value:
    """A typed value."""
    match plain:
        case bool():
            return Value(bool_value=plain)
        case str():
            return Value(string_value=plain)
        case int() | float():
            return Value(number_value=float(plain))
    raise TypeError(type(plain))


def count(name: str, operator: "cond.Operator.ValueType", *operands: int) -> cond.Condition:
    """A condition on the number of events of a name."""
    node = cond.EventCountCondition(event=event(name), operator=operator, operands=operands)
    return cond.Condition(event_count=node)


def all_of(*conditions: cond.Condition) -> cond.Condition:
    """All of the conditions hold."""
    return cond.Condition(all_of=cond.AllOf(conditions=conditions))


Moment = tuple[int, int, int]
"""What an answer is a function of, beside its question."""


class LivingPlatform:
    """One project of a running platform, as its users see it."""

    def __init__(self, platform: Platform, client: SiyuClient, project_id: str) -> None:
        self.platform = platform
        self.client = client
        self.project_id = project_id

    async def unlink(self, left: tuple[str, str], right: tuple[str, str]) -> int:
        """Two stewards withdraw the evidence between two identifiers; the change's sequence."""
        ends = [identifier_pb2.Identifier(type=kind, value=value) for kind, value in (left, right)]
        request = steward_pb.UnlinkRequest(
            project_id=self.project_id,
            request_id=f"unlink {left} {right}",
            left=ends[0],
            right=ends[1],
            reason="a test asks for it",
        )
        proposed = (await call(self.client.identity.Unlink, request)).proposal
        tokens = self.platform.credentials.tokens("user:second", ["steward"], [self.project_id])
        targets = {name: a.target for name, a in self.platform.addresses.items()}
        async with SiyuClient(targets, tokens) as second:
            approval = steward_pb.ApproveProposalRequest(
                project_id=self.project_id, proposal_id=proposed.proposal_id
            )
            return (await call(second.identity.ApproveProposal, approval)).sequence

    async def send_by_http(self, records: Iterable[Record]) -> int:
        """Send track records as the Segment SDKs do, without clock correction; how many."""
        key = base64.b64encode(f"{self.platform.write_keys[self.project_id]}:".encode()).decode()
        headers = {"authorization": f"Basic {key}"}
        sent = 0
        async with httpx.AsyncClient(base_url=self.platform.http_url, headers=headers) as door:
            for part in _parts(records, 400):
                body = {"batch": [_segment_call(record) for record in part]}
                answer = await door.post("/v1/batch", json=body, timeout=20)
                assert answer.status_code == 200, answer.text
                assert not answer.json().get("refused"), answer.text
                sent += len(part)
        return sent

    async def watermark(self) -> analytics_pb.GetWatermarkResponse:
        """How far analytics is."""
        request = analytics_pb.GetWatermarkRequest(project_id=self.project_id)
        return await call(self.client.analytics.GetWatermark, request)

    async def await_events(self, number: int, timeout_s: float = 30) -> None:
        """Wait until the project has so many events in the store."""
        deadline = time.monotonic() + timeout_s
        while (found := (await self.watermark()).events) < number:
            assert time.monotonic() < deadline, f"{found} of {number} events are in"
            await asyncio.sleep(0.05)
        assert found == number

    async def await_feeds(self) -> result_key_pb2.Freshness:
        """A freshness that covers every change of identity and profile published so far."""
        request = identity_pb.ListChangesRequest(project_id=self.project_id, page_size=1_000)
        while True:
            page = await call(self.client.identity.ListChanges, request)
            request.after_sequence = page.next_sequence
            if not page.more:
                return result_key_pb2.Freshness(min_identity_sequence=page.next_sequence)

    async def person_nos(self, identifiers: Sequence[tuple[str, str]]) -> list[int]:
        """Numbers of the persons of known identifiers."""
        request = identity_pb.ResolveBatchRequest(
            project_id=self.project_id,
            identifiers=[
                identifier_pb2.Identifier(type=kind, value=name) for kind, name in identifiers
            ],
        )
        response = await call(self.client.identity.ResolveBatch, request)
        return [found.person_no for found in response.resolutions]

    async def members(self, cell: question_pb2.Cell) -> set[int]:
        """Everybody in a cell, over all pages; as many as the cell counts."""
        listed, total, _ = await self.listed(cell)
        assert len(listed) == cell.persons == total
        return listed

    async def listed(self, cell: question_pb2.Cell) -> tuple[set[int], int, Moment]:
        """Everybody in a cell, the total that the list states, and the moment it is of."""
        request = analytics_pb.ListMembersRequest(
            project_id=self.project_id, cell_token=cell.token, page_size=50
        )
        found: list[int] = []
        while True:
            page = await call(self.client.analytics.ListMembers, request)
            found += [member.person_no for member in page.members]
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        assert len(found) == len(set(found)), "nobody is listed twice"
        return set(found), page.total, moment(page.key)


def moment(key: result_key_pb2.ResultKey) -> Moment:
    """Batch, identity sequence and profile sequence of an answer."""
    return key.batch_no, key.identity_sequence, key.profile_sequence


def _segment_call(record: Record) -> dict[str, object]:
    when = datetime.fromtimestamp(record.time / 1000, UTC).isoformat(timespec="milliseconds")
    message: dict[str, object] = {
        "type": "track",
        "messageId": record.message_id,
        "event": record.event,
        "properties": record.properties,
        "timestamp": when,
        "context": {},
    }
    if "customer_no" in record.ids:
        message["userId"] = record.ids["customer_no"]
    if "anonymous_id" in record.ids:
        message["anonymousId"] = record.ids["anonymous_id"]
    return message


def _parts(records: Iterable[Record], size: int) -> Iterator[list[Record]]:
    rest = iter(records)
    while part := list(islice(rest, size)):
        yield part
