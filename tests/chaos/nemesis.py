"""One run of the nemesis: a platform under load, a fault every cycle, the books at checkpoints."""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chaos.campaigns import Campaigns
from chaos.faults import Faults
from chaos.journal import Journal
from chaos.settling import caught_up
from chaos.traffic import Traffic
from chaos.verdict import verify
from chaos.world import NAMES, World
from siyu_kit.failpoints.registry import FAILPOINTS

CHECK_EVERY: Final = 50
CATCH_UP_S: Final = 180.0
"""The longest that any service may take to catch up, on a machine that has other work too."""
Fault = Callable[[], Coroutine[None, None, list[str]]]


def recovery_figures(recovered: Mapping[str, list[float]]) -> dict[str, float]:
    """Median and longest of each service's seconds, as benchmarks name them."""
    figures: dict[str, float] = {}
    for service, times in sorted(recovered.items()):
        ordered = sorted(times)
        figures[f"chaos.recovery_s.{service}"] = round(ordered[len(ordered) // 2], 2)
        figures[f"chaos.recovery_max_s.{service}"] = round(ordered[-1], 2)
    return figures


class PromiseBroken(Exception):
    """The platform broke a promise; the message says which, and where in the run."""


@dataclass
class Run:
    """``visits`` names failpoints to die at, the last first, before chance takes over."""

    folder: Path
    seed: int
    cycles: int
    visits: list[tuple[str, str]]
    databases: Mapping[str, str] = field(default_factory=dict)
    database_port: int = 0
    check_every: int = CHECK_EVERY
    recovered: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds from a death to caught up, by service."""
    told: Counter[str] = field(default_factory=Counter)
    """Cycles by kind of fault."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    hits: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self.journal = Journal(random.Random(self.seed + 1))

    async def __call__(self) -> None:
        """Raises ``PromiseBroken``."""
        async with World(self.folder, self.databases, self.database_port) as world:
            self._world = world
            self._faults = Faults(world, self.journal, self._chance)
            self._campaigns = Campaigns(world, self.journal)
            await self._campaigns.prepare()
            traffic = Traffic(world, self.journal)
            traffic.start(self._campaigns.refresh, self._campaigns.run)
            self._available = self._faults.available()
            self.skipped = self._faults.skipped
            for name, reason in self.skipped.items():
                print(f"SKIPPED  {name}: {reason}", flush=True)
            try:
                await self._all()
            except BaseException as error:
                await traffic.abandon()  # what is left open would be another test's warning
                if isinstance(error, AssertionError):
                    raise PromiseBroken(f"{self._where}: {error}") from error
                raise
            finally:
                self.hits = world.hits()
                self.journal.stopped = True
            await traffic.stop()

    async def _all(self) -> None:
        for number in range(1, self.cycles + 1):
            await self._cycle(number)
            if number % self.check_every == 0 and number < self.cycles:
                await self._check(f"checkpoint after {number}")
                self.journal.open.set()
        await self._check("the end")

    async def _cycle(self, number: int) -> None:
        kind, title, fault = self._pick()
        self._where = f"cycle {number}, {title}"
        started, before = time.monotonic(), len(self._world.recoveries)
        hurt = await fault()
        healed = time.monotonic()
        for service in hurt:
            await caught_up(self._world, service, CATCH_UP_S)
        late_s = time.monotonic() - healed
        for recovery in self._world.recoveries[before:]:
            self.recovered[recovery.service].append(recovery.ready_s + late_s)
        dead = [name for name in NAMES if not self._world.running(name)]
        assert not dead, f"{dead} ended by themselves: {self._world.tail(dead[0])}"
        assert not self.journal.findings, self.journal.findings[:5]
        self.told[kind] += 1
        print(
            f"{number:4d}  {title:48s} {healed - started:5.1f} s, caught up {late_s:4.1f} s later;"
            f" {len(self.journal.acknowledged)} events, {len(self._campaigns.launched)} campaigns",
            flush=True,
        )

    def _pick(self) -> tuple[str, str, Fault]:
        """Kind, title and fault of a cycle: first the visits, then half failpoints, half others."""
        if self.visits:
            name, service = self.visits.pop()
        elif self._chance.random() < 0.5:
            name, point = self._chance.choice(list(FAILPOINTS.items()))
            service = self._chance.choice(point.services)
        else:
            kind = self._chance.choice(sorted(self._available))
            return kind, kind, self._available[kind]

        async def die() -> list[str]:
            return await self._faults.failpoint(name, service)

        return "failpoint", f"{service} at {name}", die

    async def _check(self, when: str) -> None:
        """Hold the load and compare everything; it stays held."""
        self._where = when
        await asyncio.wait_for(self.journal.hold(), CATCH_UP_S * 2)
        findings = await verify(
            self._world,
            self.journal,
            self._campaigns,
            self._faults.letters,
            flushed=bool(self.told["flush_all"]),
        )
        assert not findings, "\n  ".join(["", *findings])
        print(f"      {when}: every promise holds", flush=True)

    def figures(self) -> dict[str, float]:
        """Seconds of recovery, median and longest of each service, as benchmarks name them."""
        return recovery_figures(self.recovered)

    def missed(self) -> list[str]:
        """Failpoints at which nobody died in this run."""
        killed = {name for name, word in self.hits if word == "kill"}
        return sorted(set(FAILPOINTS) - killed)
