"""What the senders know: what was answered OK, and how often they asked."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

import grpc
import httpx

from siyu_client.client import call
from siyu_kit.errors import (
    Conflict,
    DependencyDown,
    DomainError,
    InternalError,
    PreconditionFailed,
    QuotaExceeded,
    Unauthenticated,
)

A = TypeVar("A")

CALL_S: Final = 10.0
"""Deadline of every call."""

TYPED = (DependencyDown, QuotaExceeded, Conflict, Unauthenticated)
"""What a caller may meet while faults are about; anything else is a finding."""


@dataclass
class Journal:
    """Shared by all actors of one run."""

    random: random.Random
    acknowledged: dict[str, str] = field(default_factory=dict)
    """Message id -> project, of TRACK events that were answered OK."""
    ok_messages: Counter[str] = field(default_factory=Counter)
    """By project: messages in requests that were answered OK, repetitions counted."""
    asked_messages: Counter[str] = field(default_factory=Counter)
    """By project: messages in all requests."""
    increments: int = 0
    """Profile increments by one that were answered OK, each counted once."""
    errors: Counter[str] = field(default_factory=Counter)
    """Typed errors that senders met, by class and reason."""
    findings: list[str] = field(default_factory=list)
    """What must not happen at all."""

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self.open = asyncio.Event()
        self.open.set()
        self.stopped = False
        self.busy = 0

    def number(self) -> int:
        """A number nobody else has in this run."""
        return next(self._numbers)

    async def insist(self, what: str, ask: Callable[[], Awaitable[A]]) -> A:
        """Repeat until it is answered, as a sender does; unexpected errors are noted."""
        while True:
            try:
                return await ask()
            except TYPED as error:
                self.errors[f"{what}: {type(error).__name__} {error.reason}"] += 1
            except (httpx.HTTPError, grpc.aio.UsageError) as error:
                self.errors[f"{what}: {type(error).__name__}"] += 1
            except (InternalError, PreconditionFailed, DomainError) as error:
                self.findings.append(f"{what}: {error!r}")
            await asyncio.sleep(0.1 + self.random.random() * 0.2)

    async def ask(self, what: str, method: Any, request: Any) -> Any:
        """``insist`` on an RPC."""
        return await self.insist(what, partial(call, method, request, timeout_s=CALL_S))

    async def turn(self, pause_s: float) -> bool:
        """Between two pieces of work: wait while the load is held; False when it is over."""
        self.busy -= 1
        try:
            await asyncio.sleep(pause_s)
            await self.open.wait()
        finally:
            self.busy += 1
        return not self.stopped

    async def nap(self, seconds: float) -> None:
        """Wait within a piece of work."""
        await asyncio.sleep(seconds)

    async def hold(self) -> None:
        """Let every actor finish what it is in, and none begin anew."""
        self.open.clear()
        while self.busy:
            await asyncio.sleep(0.05)
