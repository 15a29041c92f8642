"""kill -9 at every step of a batch: after the restart every event is there once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from siyu_kit.stream.redis import RedisStreamStore
from support.analytics_events import DAY_MS, START_MS, entry, track

pytestmark = pytest.mark.integration

WORKER = Path(__file__).with_name("sink_worker.py")
# A step that leaves nothing behind in a store is as good as none: those run in the slow tier.
MOMENTS = [
    "make",
    "events",
    "seen",
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in ("keyed", "learned", "sifted", "done")
    ),
]
EVENTS = 300
AGAIN = 20


def work(folder: Path, redis_url: str, moment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(WORKER), str(folder), redis_url, str(EVENTS + AGAIN), moment],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
        env={**os.environ, "PYTHONPATH": str(WORKER.parents[2])},
    )


@pytest.mark.parametrize("moment", MOMENTS)
async def test_every_event_once_after_a_kill(tmp_path, redis_url, moment):
    stream = RedisStreamStore(redis_url)
    events = [
        track("p", n, user=n % 40, event_time_ms=START_MS + n % 4 * 31 * DAY_MS)
        for n in range(EVENTS)
    ]
    for start in range(0, EVENTS, 50):
        await stream.append("events", start // 50 % 2, [entry(events[start : start + 50])])
    # Some come again, in another entry of the same partition, while the plan is open.
    await stream.append("events", 0, [entry(events[:AGAIN])])
    await stream.aclose()
    killed = work(tmp_path, redis_url, moment)
    assert killed.returncode == -9, killed.stderr[-2000:]
    restarted = work(tmp_path, redis_url, "never")
    assert restarted.returncode == 0, restarted.stderr[-2000:]
    assert json.loads(restarted.stdout.splitlines()[-1]) == {
        "rows": EVENTS,
        "messages": EVENTS,
        "seen": EVENTS,
        "stored": EVENTS,
        "duplicates": AGAIN,
    }
