"""One project floods every door and every query; another one's light calls go on."""

import pytest

from siyu_client.platform import Platform
from support.noisy_neighbour import measure

pytestmark = pytest.mark.slow  # a contract test has the short form: tests/contract/kit

PROJECT = "other"
RATIO = 3.0
# Services, the flood and this test share the machine's cores: that much is the machine's, not a
# queue's. Behind the flood's queues a call takes seconds (the bench measures it).
FLOOR_S = 1.0


async def test_a_flood_does_not_slow_another_project_down(platform: Platform):
    alone, beside = await measure(platform, quiet="other", noisy="garbage", seconds=3)
    assert alone.failed == []
    assert beside.failed == []
    told = f"alone {alone.p95_s:.3f} s, beside the flood {beside.p95_s:.3f} s"
    assert beside.p95_s <= RATIO * alone.p95_s + FLOOR_S, told
