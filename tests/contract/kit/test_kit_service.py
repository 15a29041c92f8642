"""A whole service process: start, ports, readiness, SIGTERM with a call in flight."""

import asyncio
import json
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from siyu.identity.v1.identity_service_pb2_grpc import IdentityServiceStub
from siyu_kit.auth import IssuedTokens, TokenIssuer, write_key_pair
from siyu_kit.auth.keys import read_signing_key
from siyu_kit.errors import DependencyDown
from siyu_kit.rpc import call, connect
from support.fake_identity import refusal, resolve

SERVICE = """
import asyncio
from siyu.identity.v1 import identity_service_pb2 as pb, identity_service_pb2_grpc as pb_grpc
from siyu_kit.config import CommonConfig
from siyu_kit.service import App, Servicer, run, unit_of_work

class Identity(pb_grpc.IdentityServiceServicer):
    async def Resolve(self, request, context):
        print("entered", flush=True)
        await asyncio.sleep(0.5)
        return pb.ResolveResponse(resolution=pb.Resolution(ident_no=7))
    async def WatchChanges(self, request, context): yield

async def unserved(self, request, context): ...
for method in pb.DESCRIPTOR.services_by_name["IdentityService"].methods:
    if method.name not in vars(Identity):
        setattr(Identity, method.name, unserved)

async def build(config, runtime):
    async def worker():
        async with unit_of_work():
            await asyncio.sleep(1.0)
        print("unit finished", flush=True)
        await asyncio.sleep(60)
    async def drain():
        print("doors closed", flush=True)
    async def close():
        print("closed", flush=True)
    return App(
        servicers=[Servicer(pb_grpc.add_IdentityServiceServicer_to_server, Identity())],
        workers={"slow": worker}, drain=drain, aclose=close, ports=lambda: {"http": 8080},
    )

run("identity", CommonConfig, build)
"""


@asynccontextmanager
async def _started(directory: Path, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    signing, _ = write_key_pair(directory)
    program = directory / "service.py"
    program.write_text(SERVICE)
    environ = {
        "SIYU_LISTEN": f"unix:{directory / 'sock'}",
        "SIYU_DRAIN_DELAY_S": "0",
        "SIYU_PORT_FILE": str(directory / "ports.json"),
        "SIYU_AUTH_SIGNING_KEY_FILE": str(signing),
        **settings,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(program),
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def _ready(directory: Path) -> dict[str, int]:
    for _ in range(500):
        if (directory / "ports.json").exists():
            return json.loads((directory / "ports.json").read_text())
        await asyncio.sleep(0.02)
    raise AssertionError("the service did not become ready")


@pytest.fixture
def silent():
    """The endpoint of a collector that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.loopback
@pytest.mark.parametrize("otlp", ["", "http://127.0.0.1:9", "silent"])
async def test_sigterm_finishes_the_call_and_the_unit_in_flight(tmp_path, otlp, silent):
    """Also with a collector that is not there, or silent: the exit does not wait for long."""
    otlp = silent if otlp == "silent" else otlp
    async with _started(tmp_path, SIYU_OTLP_ENDPOINT=otlp) as process:
        assert (await _ready(tmp_path))["http"] == 8080
        key = read_signing_key(tmp_path / "issuer.key.pem")
        tokens = IssuedTokens(TokenIssuer(key), "user:test", ["service"])
        async with connect(f"unix:{tmp_path / 'sock'}", tokens) as channel:
            stub = IdentityServiceStub(channel)
            calling = asyncio.create_task(call(stub.Resolve, resolve()))
            assert await process.stdout.readline() == b"entered\n"
            process.send_signal(signal.SIGTERM)
            assert (await calling).resolution.ident_no == 7
            refused = await refusal(call(stub.Resolve, resolve(), timeout_s=2))
            assert isinstance(refused, DependencyDown)
        out, log = await asyncio.wait_for(process.communicate(), 10)
        assert process.returncode == 0
        assert out.decode().split("\n")[:3] == ["doors closed", "unit finished", "closed"]
        events = [json.loads(line)["event"] for line in log.decode().splitlines()]
        assert events[0] == "service_ready"
        assert {"service_stopping", "service_stopped"} <= set(events)


async def test_the_other_doors_are_open_while_balancers_notice(tmp_path):
    async with _started(tmp_path, SIYU_DRAIN_DELAY_S="0.8") as process:
        await _ready(tmp_path)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.stdout.readline(), 10) == b"doors closed\n"
        assert time.monotonic() - began > 0.7


async def test_a_service_without_keys_says_so_and_exits(tmp_path):
    async with _started(tmp_path, SIYU_AUTH_SIGNING_KEY_FILE="", SIYU_PARTITIONS="many") as process:
        _, log = await asyncio.wait_for(process.communicate(), 10)
        assert process.returncode == 2
        assert b"SIYU_PARTITIONS: must be a whole number" in log
        assert b"Traceback" not in log
