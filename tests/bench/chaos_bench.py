"""How long a service takes to be back after SIGKILL under load: ready, and caught up.

The load is the nemesis' own (tests/chaos): events by two doors, links, traits, segments, campaigns.
CHAOS_ROUNDS kills of each service; `make chaos` has the long run with all the other faults.
"""

import asyncio
import os
import random
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from chaos.campaigns import Campaigns
from chaos.journal import Journal
from chaos.nemesis import CATCH_UP_S, recovery_figures
from chaos.settling import caught_up
from chaos.traffic import Traffic
from chaos.world import NAMES, World

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "3"))
#: Between two deaths, so that each meets a platform that works.
PAUSE_S = 2.0


async def measure(folder: Path) -> dict[str, float]:
    """Seconds of every service, and of the slowest."""
    took: dict[str, list[float]] = defaultdict(list)
    journal = Journal(random.Random(1))
    async with World(folder) as world:
        campaigns = Campaigns(world, journal)
        await campaigns.prepare()
        traffic = Traffic(world, journal)
        traffic.start(campaigns.refresh, campaigns.run)
        for name in NAMES * ROUNDS:
            await asyncio.sleep(PAUSE_S)
            started = time.monotonic()
            await world.kill(name)
            await world.revive(name)
            await caught_up(world, name, CATCH_UP_S)
            took[name].append(time.monotonic() - started)
        await traffic.stop()
    assert not journal.findings, journal.findings[:5]
    figures = recovery_figures(took)
    figures["chaos.recovery_s"] = max(
        seconds for name, seconds in figures.items() if name.startswith("chaos.recovery_s.")
    )
    return figures


def run() -> dict[str, float]:
    """Measure; see the module."""
    with tempfile.TemporaryDirectory(prefix="siyu-bench-") as name:
        return asyncio.run(measure(Path(name)))
