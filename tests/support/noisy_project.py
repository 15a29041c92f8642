"""A noisy project, as a process of its own: every door of a platform at once, as fast as it goes.

Run as a script; standard input is one JSON object (see ``noisy_neighbour``), and ends it by ending.
"""

import asyncio
import base64
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from siyu.analytics.v1.analytics_service_pb2 import QueryFunnelRequest
from siyu.collect.v1.collect_service_pb2 import IngestRequest
from siyu.condition.v1.condition_pb2 import EventFilter
from siyu.event.v1.event_pb2 import EVENT_KIND_TRACK, Event
from siyu.profile.v1.profile_service_pb2 import BatchGetProfilesRequest
from siyu.type.v1.identifier_pb2 import Identifier
from siyu_client.client import SiyuClient, call
from siyu_kit.auth import FixedToken
from siyu_kit.errors import DomainError

BATCH = 200
WORKERS = {"ingest": 24, "http": 12, "funnel": 24, "profiles": 96}
Action = Callable[[int], Awaitable[Any]]


def events(first: int, count: int) -> list[Event]:
    """Events of a few thousand customers."""
    at = time.time_ns() // 1_000_000
    return [
        Event(
            message_id=f"noisy-{first}-{no}",
            ids=[Identifier(type="customer_no", value=f"C{no % 2_000:05d}")],
            kind=EVENT_KIND_TRACK,
            name=("view", "click", "trade")[no % 3],
            event_time_ms=at - no,
            number_properties={"amount": float(no)},
        )
        for no in range(count)
    ]


def actions(client: SiyuClient, door: httpx.AsyncClient, project: str) -> dict[str, Action]:
    """What each kind of worker does again and again."""
    steps = [EventFilter(event_name=name) for name in ("view", "click", "trade")]
    funnel = QueryFunnelRequest(project_id=project, steps=steps)
    profiles = BatchGetProfilesRequest(project_id=project, person_nos=range(1, 501))
    form = {
        "batch": [
            {"type": "track", "event": "view", "userId": f"C{no:05d}", "messageId": f"h{no}"}
            for no in range(BATCH)
        ]
    }
    body = json.dumps(form).encode()
    prepared = events(0, BATCH)

    async def ingest(turn: int) -> None:
        for no, event in enumerate(prepared):
            event.message_id = f"{turn}-{no}"
        await call(client.collect.Ingest, IngestRequest(project_id=project, events=prepared))

    async def http(_: int) -> None:
        (await door.post("/v1/batch", content=body)).raise_for_status()

    async def ask(_: int) -> None:
        await call(client.analytics.QueryFunnel, funnel, timeout_s=20)

    async def read(_: int) -> None:
        await call(client.profile.BatchGetProfiles, profiles, timeout_s=20)

    return {"ingest": ingest, "http": http, "funnel": ask, "profiles": read}


async def work(action: Action) -> None:
    """One worker; what is refused is tried again soon."""
    turn = 0
    while True:
        turn += 1
        if turn == 2:
            print("a first answer", flush=True)
        try:
            await action(turn)
        except (DomainError, httpx.HTTPError):
            await asyncio.sleep(0.02)


async def main() -> None:
    given = json.loads(sys.stdin.readline())
    key = base64.b64encode(f"{given['write_key']}:".encode()).decode()
    door = httpx.AsyncClient(
        base_url=given["http_url"],
        headers={"authorization": f"Basic {key}"},
        timeout=20,
        trust_env=False,
    )
    async with SiyuClient(given["targets"], FixedToken(given["token"])) as client, door:
        all_of = actions(client, door, given["project"])
        tasks = [
            asyncio.create_task(work(all_of[kind]))
            for kind, count in given.get("workers", WORKERS).items()
            for _ in range(count)
        ]
        await asyncio.to_thread(sys.stdin.read)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main())
