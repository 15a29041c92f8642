"""GetProfile against its floor: a bare grpc.aio server that does the same store read.

Both are processes of their own on the same SQLite file and are called by the same client with the
same concurrency, in turns. The service checks the token, measures, traces and masks.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from statistics import median

import grpc

from siyu.profile.v1 import profile_service_pb2 as pb
from siyu.profile.v1.profile_service_pb2_grpc import ProfileServiceStub
from siyu_client.platform import Credentials
from siyu_client.platform.process import ChildProcess
from siyu_client.platform.services import SERVICES, Address, environment
from siyu_kit.clock import SystemClock
from siyu_kit.loopback_ports import free_ports
from siyu_kit.rpc.client import connect
from siyu_kit.sql.engine import Database
from siyu_kit.sql.migrate import upgrade
from siyu_kit.sql.outbox import Outbox
from siyu_kit.testing.redis import RedisServer
from siyu_profile.app.ports import Move
from siyu_profile.bootstrap import MIGRATIONS
from siyu_profile.domain.consents import Consent
from siyu_profile.domain.contacts import ContactPoint
from siyu_profile.domain.traits import OperationKind, TraitOperation
from siyu_profile.store.profile_store import SqlProfileStore
from siyu_profile.store.seal import AddressSeal

PERSONS = 5_000
CALLS = 4_000
CONCURRENCY = 32
ROUNDS = 5
FLOOR_METHOD = "/floor/Get"


async def fill(url: str, key: str) -> None:
    """Persons with five traits, a consent and a contact point each."""
    await upgrade(url, MIGRATIONS)
    database = Database(url)
    seal = AddressSeal(key.encode())
    store = SqlProfileStore(database, Outbox(), SystemClock())
    numbers = range(1, PERSONS + 1)
    async with store.transaction() as unit:
        await unit.move("p", [Move(no, 0, no, f"{no:032x}") for no in numbers])
        values = ("上海", Decimal(42), True, "C3", ("a", "b"))
        await unit.add_operations(
            "p",
            [
                TraitOperation(f"{no}.{i}", no, f"trait_{i}", OperationKind.SET, value, 5)
                for no in numbers
                for i, value in enumerate(values)
            ],
        )
        await unit.add_consents(
            "p", [Consent(f"c{no}", no, "push", "marketing", True, "v1", "e", 5) for no in numbers]
        )
        await unit.put_contacts(
            "p",
            [
                ContactPoint(
                    f"t{no}",
                    no,
                    "push_token",
                    seal.seal("p", f"t{no}", f"token-{no}"),
                    "k",
                    False,
                    5,
                )
                for no in numbers
            ],
        )
        await unit.refold("p", set(numbers))
    await database.aclose()


async def floor_server(url: str, port: str) -> None:
    """The floor: no token, no telemetry, no mask; the same read, the same bytes back."""
    database = Database(url)
    store = SqlProfileStore(database, Outbox(), SystemClock())

    async def get(request: pb.GetProfileRequest, context: object) -> pb.GetProfileResponse:
        found = await store.read_one(request.project_id, request.person_no)
        assert found is not None
        return pb.GetProfileResponse(profile=pb.Profile.FromString(found.document))

    handler = grpc.unary_unary_rpc_method_handler(
        get,
        request_deserializer=pb.GetProfileRequest.FromString,
        response_serializer=pb.GetProfileResponse.SerializeToString,
    )
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("floor", {"Get": handler}),)
    )
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


async def drive(get: Callable[[int], Awaitable[object]]) -> tuple[float, list[float]]:
    """Calls a second and the time of each, with CONCURRENCY calls under way."""
    times: list[float] = []
    queue = iter(range(CALLS))

    async def worker() -> None:
        for number in queue:
            started = time.perf_counter()
            await get(number % PERSONS + 1)
            times.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
    return CALLS / (time.perf_counter() - started), times


async def compare(service: str, floor: str, credentials: Credentials) -> dict[str, float]:
    """Turns of service and floor; medians of the rounds after a warm one."""
    tokens = credentials.tokens("bench", ["analyst"], ["p"])
    channel = connect(service, tokens)
    stub = ProfileServiceStub(channel)
    bare = grpc.aio.insecure_channel(floor)
    call = bare.unary_unary(
        FLOOR_METHOD,
        request_serializer=pb.GetProfileRequest.SerializeToString,
        response_deserializer=pb.GetProfileResponse.FromString,
    )

    async def get_service(no: int) -> object:
        return await stub.GetProfile(pb.GetProfileRequest(project_id="p", person_no=no))

    async def get_floor(no: int) -> object:
        return await call(pb.GetProfileRequest(project_id="p", person_no=no))

    rates: list[float] = []
    floors: list[float] = []
    times: list[float] = []
    for round_no in range(ROUNDS + 1):
        rate, took = await drive(get_service)
        floor_rate, _ = await drive(get_floor)
        if round_no:
            rates.append(rate)
            floors.append(floor_rate)
            times += took
    await channel.close()
    await bare.close()
    times.sort()
    return {
        "profile.get_per_s": median(rates),
        "profile.get_floor_per_s": median(floors),
        "profile.get_vs_floor": median(a / b for a, b in zip(rates, floors, strict=True)),
        "profile.get_p99_ms": times[int(len(times) * 0.99)] * 1000,
    }


def run() -> dict[str, float]:
    """Measure; see the module."""
    with tempfile.TemporaryDirectory(prefix="siyu-bench-") as name:
        folder = Path(name)
        credentials = Credentials.ensure(folder / "keys", [spec.name for spec in SERVICES])
        redis = RedisServer()
        ports = free_ports(3)
        addresses = {"profile": Address(ports[0]), "identity": Address(ports[1])}
        spec = next(spec for spec in SERVICES if spec.name == "profile")
        variables = environment(spec, folder, redis.url, addresses, credentials.folder)
        key = (credentials.folder / "profile.key").read_text(encoding="utf-8").strip()
        asyncio.run(fill(variables["SIYU_DATABASE_URL"], key))
        service = ChildProcess(
            "profile", [sys.executable, "-m", "siyu_profile.main"], variables, folder / "log"
        )
        service.start()
        floor = subprocess.Popen(
            [sys.executable, __file__, variables["SIYU_DATABASE_URL"], str(ports[2])]
        )
        try:
            service.wait_until((folder / "ports.json").exists, 30)
            time.sleep(1.5)
            return asyncio.run(
                compare(addresses["profile"].target, f"127.0.0.1:{ports[2]}", credentials)
            )
        finally:
            floor.terminate()
            service.terminate()
            service.wait(20)
            floor.wait(20)
            redis.stop()


if __name__ == "__main__":
    asyncio.run(floor_server(sys.argv[1], sys.argv[2]))
