"""A noisy neighbour: p95 of a quiet project's light calls alone, and beside one that floods.

The same with fairness switched off shows what the queues would do.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from siyu_client.platform import Platform
from support.noisy_neighbour import measure

SECONDS = 10.0


def run() -> dict[str, float]:
    """Seconds and their ratios."""
    folder = Path(tempfile.mkdtemp(prefix="siyu-limits-"))
    with Platform(folder, projects=("quiet", "noisy")) as platform:
        alone, beside = asyncio.run(
            measure(platform, quiet="quiet", noisy="noisy", seconds=SECONDS)
        )
        alone_then, unfair = asyncio.run(
            measure(platform, quiet="quiet", noisy="noisy", seconds=SECONDS, fair=False)
        )
    by_method = {
        f"limits.{moment}_{name}_p50_s": median
        for moment, seen in (("alone", alone), ("noisy", beside))
        for name, median in seen.medians_s.items()
    }
    return by_method | {
        "limits.alone_p95_s": alone.p95_s,
        "limits.noisy_p95_s": beside.p95_s,
        "limits.noisy_p95_ratio": beside.p95_s / alone.p95_s,
        "limits.noisy_failed": float(len(beside.failed)),
        "limits.unfair_p95_s": unfair.p95_s,
        "limits.unfair_p95_ratio": unfair.p95_s / alone_then.p95_s,
        "limits.unfair_failed": float(len(unfair.failed)),
    }
