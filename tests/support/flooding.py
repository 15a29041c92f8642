"""Sends a flood through every door while services are killed, and audits the account."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from itertools import cycle

import grpc
import httpx

from siyu.analytics.v1 import analytics_service_pb2 as analytics
from siyu.collect.v1.collect_service_pb2 import ImportRequest, IngestRequest
from siyu_client.client import SiyuClient, call
from siyu_kit.concurrency import wait_for_event
from siyu_kit.errors import DomainError
from siyu_kit.rpc.status import from_status
from siyu_kit.testing.redis import RedisServer
from support.flood import Flood
from support.small_platform import SmallPlatform

PROJECT = "demo"
AT_ONCE = 6
CHUNK = 512 * 1024
KILLED = ("collect", "analytics", "identity")
STREAM = "stream server"


@dataclass
class Heard:
    """What the doors answered."""

    accepted: int = 0
    listed: dict[int, str] = field(default_factory=dict)
    """Refused record -> reason."""
    unanswered: int = 0
    """Calls that failed and were repeated."""


class Flooding:
    """One run over one platform."""

    def __init__(self, flood: Flood, platform: SmallPlatform, client: SiyuClient) -> None:
        self._flood = flood
        self._client = client
        self._platform = platform
        self.heard = Heard()
        self._http = httpx.AsyncClient(
            base_url=platform.http_url,
            timeout=15,
            params={"project": PROJECT, "token": platform.write_key},
        )

    async def send_all(self, seed: int) -> None:
        """Every batch until it is answered, a few at once."""
        batches = self._flood.batches(seed)

        async def sender() -> None:
            for name, numbers in batches:
                await self._insist(name, numbers)

        await asyncio.gather(*(sender() for _ in range(AT_ONCE)))
        await self._http.aclose()

    async def _insist(self, name: str, numbers: list[int]) -> None:
        while True:
            try:
                accepted, refused = await getattr(self, f"_{name}")(numbers)
            except (DomainError, httpx.HTTPError, grpc.RpcError):
                self.heard.unanswered += 1
                await asyncio.sleep(random.uniform(0.02, 0.1))
                continue
            assert accepted + len(refused) == len(numbers)
            self.heard.accepted += accepted
            self.heard.listed |= {numbers[index]: reason for index, reason in refused}
            return

    async def _grpc(self, numbers: list[int]) -> tuple[int, list[tuple[int, str]]]:
        events = [self._flood.message(number) for number in numbers]
        request = IngestRequest(project_id=PROJECT, events=events)
        answer = await call(self._client.collect.Ingest, request, timeout_s=15)
        return answer.accepted, list(_reasons(answer.refused))

    async def _import(self, numbers: list[int]) -> tuple[int, list[tuple[int, str]]]:
        data = b"\n".join(self._flood.line(number) for number in numbers)

        async def chunks() -> AsyncIterator[ImportRequest]:
            for start in range(0, len(data), CHUNK):
                yield ImportRequest(project_id=PROJECT, lines=data[start : start + CHUNK])

        answer = await call(self._client.collect.Import, chunks(), timeout_s=30)
        return answer.accepted, list(_reasons(answer.refused))

    async def _sensors(self, numbers: list[int]) -> tuple[int, list[tuple[int, str]]]:
        form = self._flood.sensors(numbers, time.time_ns() // 1_000_000)
        return await self._post("/sa", data=form)

    async def _segment(self, numbers: list[int]) -> tuple[int, list[tuple[int, str]]]:
        body = self._flood.segment(numbers, time.time_ns() // 1_000_000)
        auth = (self._platform.write_key, "")
        return await self._post("/v1/batch", content=body, auth=auth)

    async def _post(self, path: str, **more: object) -> tuple[int, list[tuple[int, str]]]:
        answer = await self._http.post(path, **more)  # type: ignore[arg-type]
        answer.raise_for_status()
        told = answer.json()
        return told["accepted"], [(row["index"], row["reason"]) for row in told["refused"]]

    async def account(self) -> analytics.GetReconciliationResponse:
        """The platform's account of the project; waits out a restart."""
        request = analytics.GetReconciliationRequest(project_id=PROJECT)
        while True:
            try:
                return await call(self._client.analytics.GetReconciliation, request)
            except DomainError:
                await asyncio.sleep(0.2)

    async def settled(self, within_s: float) -> analytics.GetReconciliationResponse:
        """The account once nothing is under way any more."""
        deadline = time.monotonic() + within_s
        while (account := await self.account()).pending or not account.accepted:
            assert time.monotonic() < deadline, account
            await asyncio.sleep(0.2)
        return account


def _reasons(refused: Iterable[object]) -> Iterable[tuple[int, str]]:
    for item in refused:
        yield item.index, from_status(item.status).reason  # type: ignore[attr-defined]


async def kill_until(
    over: asyncio.Event, platform: SmallPlatform, server: RedisServer, pause_s: float, times: int
) -> Counter[str]:
    """SIGKILL one after the other, the stream server among them; the number of kills of each.

    Each dies at least once, and at most so many ``times``. The next one dies a pause after the
    one before is back, so that a slow machine gets on, too.
    """
    killed: Counter[str] = Counter()
    victims = cycle((*KILLED, STREAM))
    while killed[STREAM] < (1 if over.is_set() else times):
        await wait_for_event(over, pause_s)
        victim = next(victims)
        killed[victim] += 1
        if victim == STREAM:
            server.kill()
            server.start()
        else:
            platform.processes[victim].kill()
            platform.start(victim)
            await asyncio.to_thread(platform.wait_for, victim)
    return killed


async def flooded(
    flood: Flood,
    platform: SmallPlatform,
    server: RedisServer,
    *,
    pause_s: float,
    times: int,
    patience_s: float,
) -> tuple[Heard, Counter[str], analytics.GetReconciliationResponse]:
    """Send everything under kills; what was answered, who was killed, and the settled account."""
    over = asyncio.Event()
    async with platform.client() as client:
        flooding = Flooding(flood, platform, client)

        async def send() -> None:
            await flooding.send_all(seed=3)
            over.set()

        _, killed = await asyncio.gather(send(), kill_until(over, platform, server, pause_s, times))
        return flooding.heard, killed, await flooding.settled(patience_s)


def audit(flood: Flood, heard: Heard, account: analytics.GetReconciliationResponse) -> None:
    """Exactly the good events are stored, the bad ones listed, and everything adds up."""
    refused = sum(row.count for row in account.refused)
    assert account.stored == flood.good, account
    assert (account.lost, account.unaccounted, account.dead_lettered) == (0, 0, 0), account
    assert account.balanced
    assert account.received == account.accepted + refused
    assert account.accepted == account.stored + account.duplicates
    # A call that was not answered may have been taken in before it was repeated.
    assert account.accepted >= heard.accepted
    assert set(heard.listed) == set(flood.bad())
    assert all(reason == flood.reason_of(number) for number, reason in heard.listed.items())
    by_reason = Counter(flood.reason_of(number) for number in flood.bad())
    for row in account.refused:
        assert row.count >= 3 * by_reason[row.reason]
    assert {row.reason for row in account.refused} == set(by_reason)
    if not heard.unanswered:
        assert account.received == 3 * flood.records
