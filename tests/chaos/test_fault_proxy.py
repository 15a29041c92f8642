"""The proxy does what it is told, on connections that were open before too, and holds little."""

import asyncio
import contextlib
import time

import pytest

from chaos.fault_proxy import CHUNK, Fault, FaultProxy, _reset

pytestmark = pytest.mark.loopback


@contextlib.asynccontextmanager
async def echo():
    served = set()

    async def serve(reader, writer):
        served.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(CHUNK):
                writer.write(chunk)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        if served:
            await asyncio.wait(served, timeout=5)
        await asyncio.sleep(0)


async def said(reader, writer, text, timeout_s=2.0):
    writer.write(text)
    await writer.drain()
    async with asyncio.timeout(timeout_s):
        return await reader.readexactly(len(text))


async def said_anew(proxy, text):
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        return await said(reader, writer, text)
    finally:
        writer.close()


@pytest.fixture
async def proxy():
    async with echo() as port, FaultProxy(port, seed=7) as running:
        yield running


@pytest.fixture
async def line(proxy):
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    assert await said(reader, writer, b"hello") == b"hello"
    yield reader, writer
    writer.close()


async def test_latency_and_drip_are_late_and_whole(proxy, line):
    await proxy.set(Fault.LATENCY, delay_s=0.05)
    started = time.monotonic()
    assert await said(*line, b"late") == b"late"
    assert time.monotonic() - started >= 0.1
    await proxy.set(Fault.DRIP, delay_s=0.01)
    assert await said(*line, b"drop by drop by drop") == b"drop by drop by drop"


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.REFUSE])
async def test_a_reset_ends_old_and_new_connections(proxy, line, fault):
    await proxy.set(fault)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await said(*line, b"x")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await said_anew(proxy, b"x")
    assert proxy.connections == 0
    await proxy.heal()
    assert await said_anew(proxy, b"again") == b"again"


@pytest.mark.parametrize("fault", [Fault.BLACKHOLE, Fault.ONE_WAY])
async def test_what_was_held_back_comes_when_it_heals(proxy, line, fault):
    await proxy.set(fault)
    with pytest.raises(TimeoutError):
        await said(*line, b"void", timeout_s=0.2)
    await proxy.heal()
    assert await line[0].readexactly(4) == b"void"


async def test_what_was_open_stays_dead_and_what_is_new_works(proxy, line):
    await proxy.set(Fault.HALF_OPEN)
    with pytest.raises(TimeoutError):
        await said(*line, b"void", timeout_s=0.1)
    assert await said_anew(proxy, b"new") == b"new"
    await proxy.heal()
    with pytest.raises(TimeoutError):
        await said(*line, b"void", timeout_s=0.1)


async def test_one_way_lets_requests_through():
    heard = []

    async def serve(reader, writer):
        heard.append(await reader.read(CHUNK))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with FaultProxy(server.sockets[0].getsockname()[1]) as proxy:
        await proxy.set(Fault.ONE_WAY)
        _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"order")
        while not heard:
            await asyncio.sleep(0.01)
        writer.close()
    server.close()
    assert heard == [b"order"]


async def test_a_reset_of_one_side_reaches_the_other():
    ended = asyncio.Event()

    async def serve(reader, writer):
        with contextlib.suppress(ConnectionError):
            await reader.read()
        ended.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with FaultProxy(server.sockets[0].getsockname()[1]) as silent:
        _, writer = await asyncio.open_connection("127.0.0.1", silent.port)
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)
        _reset(writer)
        async with asyncio.timeout(2):
            await ended.wait()
    server.close()


async def test_corruption_is_in_answers_alone(proxy, line):
    await proxy.set(Fault.CORRUPT)
    spoilt = await said(*line, b"plain text")
    assert spoilt != b"plain text"
    assert spoilt[0] & 0x80


async def test_what_it_holds_back_is_bounded(proxy, line):
    await proxy.set(Fault.BLACKHOLE)
    _, writer = line
    before = proxy.passed
    sent = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            while True:
                writer.write(bytes(65_536))
                await writer.drain()
                sent += 65_536
    # The kernel's socket buffers take some megabytes; the proxy itself none of it.
    assert sent < 32_000_000
    assert proxy.passed == before
