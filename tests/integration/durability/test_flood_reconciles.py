"""Events sent three times each, through every door, some malformed, while everything is killed."""

import time

import pytest
import redis

from siyu_kit.testing.redis import RedisServer
from support.flood import Flood
from support.flooding import KILLED, STREAM, audit, flooded
from support.small_platform import SmallPlatform

GOOD = 9_500


@pytest.mark.integration
@pytest.mark.timeout(180)
async def test_a_flood_under_fire_is_stored_once_and_accounted_for(tmp_path):
    server = RedisServer()
    # Nobody runs the profile service here: nothing is trimmed, so the stream can be counted.
    platform = SmallPlatform(tmp_path, server.url, ("identity", "collect", "analytics"))
    try:
        flood = Flood(GOOD, time.time_ns() // 1_000_000)
        assert flood.records - len(list(flood.bad())) == GOOD
        heard, killed, account = await flooded(
            flood, platform, server, pause_s=0.7, times=1, patience_s=60
        )
        assert set(killed) == {*KILLED, STREAM}
        assert heard.unanswered > 0, "the kills were felt"
        audit(flood, heard, account)
        assert account.accepted == appended(server)
    finally:
        platform.stop()
        server.stop()


def appended(server):
    """Events in the stream, counted by hand."""
    with redis.Redis.from_url(server.url) as client:
        return sum(
            int(fields[b"n"])
            for key in client.scan_iter("siyu.events.*")
            for _, fields in client.xrange(key)
        )
