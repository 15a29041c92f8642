"""States of a process, looked at now and then and reported as gauges.

A probe asks what only the event loop may ask (stores, queues); the metrics' own thread reads the
last answer. A probe that fails reports nothing: an old state must not look like a new one.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from resource import getpagesize
from typing import Final

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from siyu_kit import metric_defs
from siyu_kit.concurrency import run_together
from siyu_kit.log import get_logger
from siyu_kit.metric_defs import StateDef

_log = get_logger(__name__)

PROBE_TIMEOUT_S: Final = 5.0
_WINK_S: Final = 0.25
_STATM: Final = Path("/proc/self/statm")


@dataclass(frozen=True, slots=True)
class Reading:
    """One state: what, how much, of whom."""

    of: StateDef
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


Probe = Callable[[], Awaitable[Sequence[Reading]]]


class Vitals:
    """Asks every probe in turn, and watches how late the event loop is."""

    def __init__(self, meter: Meter, probes: Mapping[str, Probe], every_s: float) -> None:
        self._board = _Board(meter)
        self._probes = {"process": _process, **probes}
        self._every_s = every_s
        self._lag = metric_defs.LOOP_LAG.on(meter)

    async def run(self) -> None:
        """Look for ever; a worker of the service."""
        await run_together(self._look_forever(), self._watch_loop())

    async def look(self) -> None:
        """Ask every probe once."""
        for name, probe in self._probes.items():
            try:
                async with asyncio.timeout(PROBE_TIMEOUT_S):
                    readings = await probe()
            except Exception as error:  # noqa: BLE001 - what cannot be measured must not stop work
                _log.warning("probe_failed", probe=name, error_type=type(error).__name__)
                readings = ()
            self._board.show(name, readings)

    async def _look_forever(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._every_s)

    async def _watch_loop(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + _WINK_S
            await asyncio.sleep(_WINK_S)
            self._lag.record(max(0.0, clock() - due))


class _Board:
    """The last readings of each probe, behind one instrument for each state."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._shown: dict[str, tuple[Reading, ...]] = {}
        self._known: set[str] = set()

    def show(self, probe: str, readings: Iterable[Reading]) -> None:
        """Put a probe's readings in the place of its last ones."""
        self._shown[probe] = tuple(readings)
        for reading in self._shown[probe]:
            if reading.of.name not in self._known:
                self._known.add(reading.of.name)
                self._register(reading.of)

    def _register(self, state: StateDef) -> None:
        def read(_: CallbackOptions) -> list[Observation]:
            return [
                Observation(reading.value, reading.labels)
                for readings in tuple(self._shown.values())
                for reading in readings
                if reading.of.name == state.name
            ]

        create = (
            self._meter.create_observable_counter
            if state.total
            else self._meter.create_observable_gauge
        )
        create(state.name, [read], state.unit, state.description)


async def _process() -> Sequence[Reading]:
    pages = int(_STATM.read_text(encoding="ascii").split()[1])
    return (
        Reading(metric_defs.PROCESS_MEMORY, pages * getpagesize()),
        Reading(metric_defs.PROCESS_CPU, time.process_time()),
    )
