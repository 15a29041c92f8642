"""Calls every service again and again, by the platform's own client, until SIGTERM; runs in a pod.

Prints one line of JSON: calls and failures of each service, what the first failures were, and how
many of the events that collect took analytics has in the end: each of them lay in a stream, written
by one release and read by another when there were two.
"""

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

from siyu.analytics.v1 import analytics_service_pb2 as analytics
from siyu.analytics.v1 import question_pb2
from siyu.collect.v1.collect_service_pb2 import IngestRequest
from siyu.condition.v1.condition_pb2 import EventFilter
from siyu.event.v1.event_pb2 import EVENT_KIND_TRACK, Event
from siyu.identity.v1.identity_service_pb2 import ResolveRequest
from siyu.profile.v1 import profile_service_pb2 as profile
from siyu.segment.v1 import segment_service_pb2 as segment
from siyu.touch.v1 import touch_service_pb2 as touch
from siyu.type.v1.identifier_pb2 import Identifier
from siyu_client.client import SiyuClient, call
from siyu_kit.auth import IssuedTokens, TokenIssuer
from siyu_kit.auth.keys import read_signing_key
from siyu_kit.errors import DomainError, NotFound

PROJECT = "load"
CUSTOMER = "C00012345"
EVENT = f"load-{time.time_ns()}"
STORED_WITHIN_S = 60
# The whole cluster has the cores of one machine.
PAUSE_S, CALLERS = 0.1, 2
NAMES = ("collect", "identity", "analytics", "profile", "segment", "touch")


def requests(client: SiyuClient):
    """One call of each service, made anew each time."""
    who = Identifier(type="customer_no", value=CUSTOMER)
    consent = profile.Consent(
        consent_id="load",
        identifier=who,
        channel="in_app",
        purpose="marketing",
        granted=True,
        text_version="v1",
        evidence="form",
        event_time_ms=time.time_ns() // 1_000_000,
    )

    def event() -> IngestRequest:
        now = time.time_ns()
        one = Event(
            message_id=f"load-{now}",
            ids=[who],
            kind=EVENT_KIND_TRACK,
            name=EVENT,
            event_time_ms=now // 1_000_000,
        )
        return IngestRequest(project_id=PROJECT, events=[one])

    return {
        "collect": (client.collect.Ingest, event),
        "identity": (
            client.identity.Resolve,
            lambda: ResolveRequest(project_id=PROJECT, identifier=who),
        ),
        "analytics": (
            client.analytics.GetWatermark,
            lambda: analytics.GetWatermarkRequest(project_id=PROJECT),
        ),
        "profile": (
            client.profile.RecordConsents,
            lambda: profile.RecordConsentsRequest(project_id=PROJECT, consents=[consent]),
        ),
        "segment": (
            client.segment.ListSegments,
            lambda: segment.ListSegmentsRequest(project_id=PROJECT),
        ),
        "touch": (
            client.touch.ListCampaigns,
            lambda: touch.ListCampaignsRequest(project_id=PROJECT),
        ),
    }


async def introduce(client: SiyuClient) -> None:
    """One event of the person, so that identity knows whom the calls are about."""
    await call(client.collect.Ingest, requests(client)["collect"][1](), timeout_s=10)
    method, request = requests(client)["identity"]
    while True:
        try:
            await call(method, request(), timeout_s=10)
        except NotFound:
            await asyncio.sleep(0.2)
        else:
            return


async def stored(client: SiyuClient, expected: int) -> int:
    """How many of this run's events can be asked for, once all can or the time is over."""
    now_ms = time.time_ns() // 1_000_000
    request = analytics.QueryEventsRequest(
        project_id=PROJECT,
        scope=question_pb2.Scope(from_time_ms=now_ms - 3_600_000, to_time_ms=now_ms + 60_000),
        event=EventFilter(event_name=EVENT),
    )
    until, found = time.monotonic() + STORED_WITHIN_S, 0
    while found < expected and time.monotonic() < until:
        try:
            found = (await call(client.analytics.QueryEvents, request, timeout_s=10)).total.events
        except DomainError as error:
            sys.stderr.write(f"{error.reason} {error}\n")
        await asyncio.sleep(0.5)
    return found


async def main() -> None:
    """A few callers for each service."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    key = read_signing_key(Path(os.environ["SIYU_AUTH_SIGNING_KEY_FILE"]))
    tokens = IssuedTokens(TokenIssuer(key), "user:load", ["admin"])
    targets = {name: os.environ[f"SIYU_{name.upper()}_TARGET"] for name in NAMES}
    counts = {name: {"calls": 0, "failed": 0, "errors": []} for name in NAMES}
    async with SiyuClient(targets, tokens) as client:

        async def caller(name: str) -> None:
            method, request = requests(client)[name]
            while not stop.is_set():
                counts[name]["calls"] += 1
                try:
                    await call(method, request(), timeout_s=10)
                except DomainError as error:
                    counts[name]["failed"] += 1
                    counts[name]["errors"] += [f"{time.time():.1f} {error.reason} {error}"][
                        : 5 - len(counts[name]["errors"])
                    ]
                await asyncio.sleep(PAUSE_S)

        await introduce(client)
        await asyncio.gather(*(caller(name) for name in NAMES for _ in range(CALLERS)))
        accepted = counts["collect"]["calls"] - counts["collect"]["failed"] + 1
        counts["events"] = {"accepted": accepted, "stored": await stored(client, accepted)}
    sys.stdout.write(json.dumps(counts) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
