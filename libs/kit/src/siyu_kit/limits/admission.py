"""The way in of every request, by gRPC or HTTP: load, rate, then a slot in a fair queue."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, NoReturn

from opentelemetry.metrics import Meter

from siyu_kit.clock import Clock, SystemClock
from siyu_kit.errors import TooBusy
from siyu_kit.limits.fair_queue import Slots
from siyu_kit.limits.load import Load, LoadBounds
from siyu_kit.limits.place import Place
from siyu_kit.limits.policy import LimitPolicy
from siyu_kit.limits.priority import Priority
from siyu_kit.limits.rates import Rates
from siyu_kit.limits.slots import SlotPool
from siyu_kit.metric_defs import ADMISSION_REFUSED, ADMISSION_WAIT
from siyu_kit.telemetry import DISABLED

# Calls are served by one event loop over a handful of database connections: more at once would only
# make each of them slower, the one of another project above all.
_ORDINARY: Final = Slots(8, guests=4, waiting=256, waiting_each=128)
_LOW: Final = Slots(16, guests=8, waiting=128, waiting_each=64)
_VITAL: Final = Slots(32, guests=16, waiting=128, waiting_each=64)
_STREAMS: Final = Slots(64, guests=32)

_LARGE: Final = 8 * 1024
"""Requests of so many bytes take turns: reading them keeps everybody else from the event loop."""
_BETWEEN: Final = 8
"""Turns of the loop from one of them to the next; without work they take some 10 us each."""
_TURNS: Final = Slots(1, waiting=4096, waiting_each=4096)

_READ_FILE_EVERY: Final = 10
"""Looks at the load between two looks at the limits file."""


@dataclass(frozen=True, kw_only=True)
class AdmissionBounds:
    """How many of each kind are served and wait at once."""

    ordinary: Slots = _ORDINARY
    low: Slots = _LOW
    vital: Slots = _VITAL
    streams: Slots = _STREAMS
    """Open streams; they may last for ever, so nobody waits for one to end."""
    max_queue_age_s: float = 5.0
    """A project whose oldest request waits longer than this gets no more in (VITAL ones do)."""
    load: LoadBounds = field(default_factory=LoadBounds)


class Admission:
    """One for each process: its HTTP and gRPC doors share the loop, so they share the slots."""

    def __init__(
        self,
        policy: LimitPolicy | None = None,
        bounds: AdmissionBounds | None = None,
        clock: Clock | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._policy = policy or LimitPolicy()
        own = bounds or AdmissionBounds()
        self._clock = clock or SystemClock()
        age_s = own.max_queue_age_s
        self._pools: Mapping[Priority, SlotPool] = {
            Priority.VITAL: SlotPool("vital", own.vital, self._clock),
            Priority.ORDINARY: SlotPool("ordinary", own.ordinary, self._clock, max_age_s=age_s),
            Priority.LOW: SlotPool("low", own.low, self._clock, max_age_s=age_s),
        }
        self._streams = SlotPool("streams", own.streams, self._clock)
        self._turns = SlotPool("turns", _TURNS, self._clock)
        self._rates = Rates(self._policy, self._clock)
        self.load = Load(own.load, self._clock)
        instruments = meter or DISABLED.meter
        self._refused = ADMISSION_REFUSED.on(instruments)
        self._waited = ADMISSION_WAIT.on(instruments)
        self._apply_policy()

    @asynccontextmanager
    async def request(
        self, project: str, priority: Priority = Priority.ORDINARY, size: int = 0
    ) -> AsyncIterator[Place]:
        """Serve one request of ``size`` bytes inside the block, in a slot.

        Raises TooBusy when it is refused, with a time to come again: OVERLOADED, RATE_LIMITED or
        PROJECT_BUSY.
        """
        try:
            self.load.check(priority)
            if priority is not Priority.VITAL:
                self._rates.charge(project, requests=1, size=size)
        except TooBusy as busy:
            self._count(busy, priority)
        started = self._clock.monotonic()
        async with AsyncExitStack() as stack:
            stack.enter_context(self.load.holding(size))
            weight = self._policy.of(project).weight
            place = Place(self._pools[priority], project, weight, self._clock)
            try:
                await place.take()
            except TooBusy as busy:
                self._count(busy, priority)
            stack.callback(place.leave)
            if size >= _LARGE:
                await self._turn(project, weight)
            self._waited.record(self._clock.monotonic() - started, {"priority": priority.value})
            yield place

    async def _turn(self, project: str, weight: float) -> None:
        """Return when no other large request began in the last few turns of the event loop.

        Slots come free together, after one append for many. Were all that follow read in one turn,
        each step of another project's call would wait for all of them. A call has several steps
        between two waits for the network: were one read in each turn, it would meet one at each.
        """
        end = await self._turns.take(project, weight)
        _after_turns(_BETWEEN, end)

    @asynccontextmanager
    async def message(
        self, project: str, priority: Priority = Priority.ORDINARY, size: int = 0
    ) -> AsyncIterator[Place]:
        """The same for a message of a stream, which waits where a single request is refused."""
        async with AsyncExitStack() as stack:
            place: Place | None = None
            while place is None:
                try:
                    let_in = self.request(project, priority, size)
                    place = await stack.enter_async_context(let_in)
                except TooBusy as busy:
                    await self._clock.sleep(busy.retry_after_s)
            yield place

    @asynccontextmanager
    async def stream(self, project: str, priority: Priority) -> AsyncIterator[None]:
        """Keep a stream open inside the block. Raises TooBusy when too many are."""
        async with AsyncExitStack() as stack:
            try:
                self.load.check(priority)
                weight = self._policy.of(project).weight
                await stack.enter_async_context(self._streams.held(project, weight))
            except TooBusy as busy:
                self._count(busy, priority)
            yield

    def charge_events(self, project_id: str, events: int) -> None:
        """Take the events of a batch from the project's rate. Raises TooBusy (RATE_LIMITED)."""
        try:
            self._rates.charge(project_id, events=events)
        except TooBusy as busy:
            self._count(busy, Priority.ORDINARY)

    async def watch(self) -> None:
        """Look at the load and the limits file for ever (a task of the service)."""
        while True:
            for _ in range(_READ_FILE_EVERY):
                await self.load.look()
            if self._policy.refresh():
                self._apply_policy()

    def _apply_policy(self) -> None:
        for pool in (*self._pools.values(), self._streams, self._turns):
            pool.fair = self._policy.fair

    def _count(self, busy: TooBusy, priority: Priority) -> NoReturn:
        limit = busy.metadata.get("limit", "")
        attributes = {"reason": busy.reason, "limit": limit, "priority": priority.value}
        self._refused.add(1, attributes)
        raise busy


def _after_turns(turns: int, end: Callable[[], None]) -> None:
    """Call ``end`` when the event loop has gone round so often."""
    if turns == 0:
        end()
    else:
        asyncio.get_running_loop().call_soon(_after_turns, turns - 1, end)
