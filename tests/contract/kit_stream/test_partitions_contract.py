"""Everybody who reads or writes events agrees on the number of partitions, on a real server."""

import pytest
import redis

from siyu_kit.clock import SystemClock
from siyu_kit.config import CommonConfig, ConfigError, load
from siyu_kit.errors import DependencyDown
from siyu_kit.stream.opening import open_stream
from siyu_kit.stream.partitions import PartitionsDiffer
from siyu_kit.testing.processes import free_port

pytestmark = pytest.mark.integration


def opened(url, partitions, **role):
    config = load(CommonConfig, {"SIYU_STREAM_URL": url, "SIYU_PARTITIONS": str(partitions)})
    return open_stream(config, SystemClock(), events=True, **role)


async def test_the_first_door_sets_the_number_and_others_do_not_start(redis_url):
    await opened(redis_url, 4, door=True).check_partitions()
    for role in ({}, {"door": True}):
        await opened(redis_url, 4, **role).check_partitions()
        with pytest.raises(PartitionsDiffer) as refused:
            await opened(redis_url, 2, **role).check_partitions()
        assert (refused.value.own, refused.value.held) == (2, "4")
        assert "SIYU_PARTITIONS: is 2 here, but the events lie in 4" in str(refused.value)
        assert isinstance(refused.value, ConfigError)


async def test_a_reader_that_came_before_any_door_notices_at_its_next_look(redis_url):
    reader = opened(redis_url, 2)
    await reader.check_partitions()
    assert await reader.guard.ready()
    door = opened(redis_url, 4, door=True)
    await door.check_partitions()
    with pytest.raises(PartitionsDiffer):
        await reader.guard.verify()
    with pytest.raises(PartitionsDiffer):
        await reader.guard.run()


async def test_a_reader_that_never_agreed_reads_nothing(redis_url):
    await opened(redis_url, 4, door=True).check_partitions()
    reader = opened(redis_url, 2)
    try:
        with pytest.raises(DependencyDown):
            await reader.store.read({0: "0-0"}, "events")
    finally:
        await reader.store.aclose()


async def test_a_server_that_lost_its_data_is_told_again(redis_url):
    door = opened(redis_url, 4, door=True)
    await door.check_partitions()
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        await door.guard.verify()
        assert client.get("siyu.partitions") == b"4"


async def test_a_server_that_cannot_be_asked_stops_no_start():
    await opened(f"redis://127.0.0.1:{free_port()}/0", 4, door=True).check_partitions()


async def test_a_server_that_takes_no_writes_is_asked_again(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        try:
            await opened(redis_url, 4, door=True).check_partitions()
            assert client.get("siyu.partitions") is None
        finally:
            client.execute_command("REPLICAOF", "NO", "ONE")


async def test_who_has_no_part_in_events_is_not_asked(redis_url):
    await opened(redis_url, 4, door=True).check_partitions()
    config = load(CommonConfig, {"SIYU_STREAM_URL": redis_url, "SIYU_PARTITIONS": "1"})
    await open_stream(config, SystemClock()).check_partitions()
