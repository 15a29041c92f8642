"""How long a quiet project's light calls take, alone and beside one that floods the platform."""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

from siyu.analytics.v1.analytics_service_pb2 import QueryEventsRequest
from siyu.collect.v1.collect_service_pb2 import IngestRequest
from siyu.condition.v1.condition_pb2 import EventFilter
from siyu.identity.v1.identity_service_pb2 import ResolveRequest
from siyu.profile.v1.profile_service_pb2 import GetProfileRequest
from siyu.type.v1.identifier_pb2 import Identifier
from siyu_client.client import SiyuClient, call
from siyu_client.platform import Platform
from siyu_kit.auth import FixedToken
from siyu_kit.errors import DomainError
from support.noisy_project import events

ANSWERS = 60
"""Workers of the flood that had an answer before it counts as one."""


@dataclass
class Seen:
    """What the quiet project saw."""

    by_method: dict[str, list[float]] = field(default_factory=dict)
    """Seconds of each call."""
    failed: list[str] = field(default_factory=list)

    @property
    def p95_s(self) -> float:
        """Of all of its calls."""
        took = sorted(chain.from_iterable(self.by_method.values()))
        return took[int(len(took) * 0.95)]

    @property
    def medians_s(self) -> dict[str, float]:
        """Of each method."""
        return {name: median(took) for name, took in self.by_method.items()}


async def light_calls(client: SiyuClient, project: str, seconds: float) -> Seen:
    """One after the other, as a customer's page or an analyst's first question would make them."""
    who = Identifier(type="customer_no", value="Q00001")
    known = Identifier(type="customer_no", value="C00000")  # of the events it sends
    ask = QueryEventsRequest(project_id=project, event=EventFilter(event_name="view"))
    seen, ends = Seen(), time.monotonic() + seconds
    turn = 0
    while time.monotonic() < ends or turn < 5:
        turn += 1
        batch = IngestRequest(project_id=project, events=events(turn, 1))
        resolve = ResolveRequest(project_id=project, identifier=who, create=True)
        get = GetProfileRequest(project_id=project, identifier=known)
        calls: list[tuple[str, Any, Any]] = [
            ("Ingest", client.collect.Ingest, batch),
            ("Resolve", client.identity.Resolve, resolve),
            ("GetProfile", client.profile.GetProfile, get),
            ("QueryEvents", client.analytics.QueryEvents, ask),
        ]
        for name, method, request in calls:
            started = time.monotonic()
            try:
                await call(method, request, timeout_s=20)
            except DomainError as error:
                seen.failed.append(error.reason)
            seen.by_method.setdefault(name, []).append(time.monotonic() - started)
    return seen


@contextlib.asynccontextmanager
async def flooded(platform: Platform, project: str) -> AsyncIterator[None]:
    """A process that floods the platform in another project while the block runs."""
    given = {
        "targets": {name: address.target for name, address in platform.addresses.items()},
        "http_url": platform.http_url,
        "write_key": platform.write_keys[project],
        "token": platform.credentials.tokens("user:noisy", ["admin"], [project]).token(),
        "project": project,
    }
    pipe = asyncio.subprocess.PIPE
    script = Path(__file__).with_name("noisy_project.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), stdin=pipe, stdout=pipe
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(given).encode() + b"\n")
        async with asyncio.timeout(30):
            for _ in range(ANSWERS):
                assert await process.stdout.readline(), "the flood ended by itself"
        yield
        assert process.returncode is None, "the flood ended by itself"
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(20):
                await process.wait()
        except TimeoutError:
            process.kill()


async def measure(
    platform: Platform, *, quiet: str, noisy: str, seconds: float, fair: bool = True
) -> tuple[Seen, Seen]:
    """The quiet project's calls alone, then beside the flood."""
    platform.limits.write_text(json.dumps({"fair": fair}), encoding="utf-8")
    await asyncio.sleep(1.5)  # services look at the file every second
    targets = {name: address.target for name, address in platform.addresses.items()}
    token = platform.credentials.tokens("user:quiet", ["admin"], [quiet]).token()
    try:
        async with SiyuClient(targets, FixedToken(token)) as client:
            await light_calls(client, quiet, 0.5)
            alone = await light_calls(client, quiet, seconds)
            async with flooded(platform, noisy):
                beside = await light_calls(client, quiet, seconds)
    finally:
        platform.limits.write_text("{}", encoding="utf-8")
    return alone, beside
