"""What leaves the stream store is a domain error, whatever the client and the event loop raise."""

import asyncio

import pytest
import uvloop

from siyu_kit.errors import DependencyDown
from siyu_kit.stream.redis_errors import surfaced

pytestmark = pytest.mark.loopback


async def write_to_a_closed_connection():
    """What the client does on a connection that was reset between two commands."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.transport.abort()
    await asyncio.sleep(0)
    try:
        with surfaced():
            writer.writelines([b"PING"])
    finally:
        server.close()


def test_a_connection_closed_under_uvloop_means_that_the_server_is_down():
    with (
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        pytest.raises(DependencyDown, match="closed"),
    ):
        runner.run(write_to_a_closed_connection())


def test_an_error_of_ours_stays_what_it_is():
    with pytest.raises(RuntimeError, match="our own"), surfaced():
        raise RuntimeError("our own")
