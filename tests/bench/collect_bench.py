"""How fast the door is, against the floor under it.

    python tests/bench/collect_bench.py [rounds]

Ingest in batches of 1 000 events, each batch fsynced before OK. The floor is the same RPC in the
same form of process (bare grpc.aio), the same parse and the same append, and nothing else. Both
are measured in turns against one Redis with ``appendfsync always``; the medians are printed with
their ratio, and the processor time of the serving process for an event, which a busy machine
disturbs less. A second door exports traces, metrics and logs to a receiver in this process. Small
batches of 50 events are measured the same way, Import by lines a second.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import grpc
import orjson
import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from siyu.collect.v1.collect_service_pb2 import (
    ImportRequest,
    ImportResponse,
    IngestRequest,
    IngestResponse,
)
from siyu.event.v1.event_pb2 import EVENT_KIND_TRACK, Event
from siyu.type.v1.identifier_pb2 import Identifier
from siyu_kit.stream.appender import GroupAppender
from siyu_kit.stream.port import NewEntry, PlacedEntry
from siyu_kit.stream.redis import RedisStreamStore
from siyu_kit.testing.redis import RedisServer
from support.collect_process import CollectProcess
from support.otlp_receiver import OtlpReceiver

SERVICE = "siyu.collect.v1.CollectService"
BATCH = 1_000
BATCHES = 200
SMALL_BATCH = 50
SMALL_BATCHES = 1_000
AT_ONCE = 4
PARTITIONS = 4
LINES = 200_000
CHUNK = 512 * 1024


def make_event(i: int, now_ms: int) -> Event:
    """A typical event of an app: two identifiers, six properties, three words of context."""
    return Event(
        message_id=f"{i:032x}",
        ids=[
            Identifier(type="customer_no", value=f"C{i * 7919 % 20_000:08d}"),
            Identifier(type="device_id", value=f"dev-{i * 7919 % 30_000:012d}"),
        ],
        kind=EVENT_KIND_TRACK,
        name=("news_view", "app_start", "quote_view", "deposit")[i % 4],
        event_time_ms=now_ms - i % 86_400_000,
        string_properties={
            "channel": ("baidu", "wechat", "appstore")[i % 3],
            "page": f"home/news/{i % 97}",
            "title": "央行宣布下调存款准备金率",
        },
        number_properties={"duration_s": i % 3000 / 8, "amount": (i % 100_000) / 100},
        bool_properties={"is_vip": i % 5 == 0},
        context={"lib": "ios", "platform": "iOS", "app_version": "7.12.0"},
    )


def make_line(i: int, now_ms: int) -> bytes:
    """The same event as a line of an import."""
    event = make_event(i, now_ms)
    properties = {
        **event.string_properties,
        **event.number_properties,
        **event.bool_properties,
    }
    return orjson.dumps(
        {
            "message_id": event.message_id,
            "type": "track",
            "ids": {item.type: item.value for item in event.ids},
            "event": event.name,
            "time": event.event_time_ms,
            "properties": properties,
            "context": dict(event.context),
        }
    )


async def serve_floor(redis_url: str) -> None:
    """The floor: receive, parse, append, answer."""
    appender = GroupAppender(RedisStreamStore(redis_url))

    async def ingest(raw: bytes, _: object) -> bytes:
        count = len(IngestRequest.FromString(raw).events)
        size = len(raw) // PARTITIONS + 1
        parts = [raw[start : start + size] for start in range(0, len(raw), size)]
        await appender.append(
            [
                PlacedEntry("events", partition, NewEntry(part, count // PARTITIONS, 1))
                for partition, part in enumerate(parts)
            ]
        )
        return IngestResponse(accepted=count).SerializeToString()

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    handler = grpc.unary_unary_rpc_method_handler(ingest)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, {"Ingest": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


async def events_per_s(
    target: str, payloads: Sequence[bytes], token: str, batch: int = BATCH, batches: int = BATCHES
) -> float:
    """Send the batches with a few at once; every answer must accept the whole batch."""
    metadata = (("authorization", f"Bearer {token}"),)
    async with grpc.aio.insecure_channel(target) as channel:
        ingest = channel.unary_unary(f"/{SERVICE}/Ingest")

        async def send(indexes: range) -> None:
            for i in indexes:
                answer = await ingest(payloads[i % len(payloads)], metadata=metadata)
                if IngestResponse.FromString(answer).accepted != batch:
                    raise RuntimeError("the door refused an event")

        await send(range(4))
        started = time.perf_counter()
        await asyncio.gather(*(send(range(n, batches, AT_ONCE)) for n in range(AT_ONCE)))
        return batches * batch / (time.perf_counter() - started)


async def lines_per_s(target: str, data: bytes, token: str) -> float:
    """Import all lines in chunks that end anywhere."""
    metadata = (("authorization", f"Bearer {token}"),)
    async with grpc.aio.insecure_channel(target) as channel:
        upload = channel.stream_unary(f"/{SERVICE}/Import")

        async def chunks():
            for start in range(0, len(data), CHUNK):
                request = ImportRequest(project_id="demo", lines=data[start : start + CHUNK])
                yield request.SerializeToString()

        started = time.perf_counter()
        answer = ImportResponse.FromString(await upload(chunks(), metadata=metadata))
        if answer.accepted != LINES:
            raise RuntimeError(f"the door refused lines: {answer.refused[:1]}")
        return LINES / (time.perf_counter() - started)


def requests_of(batch: int, now_ms: int) -> list[bytes]:
    """Forty different batches of this size."""
    return [
        IngestRequest(
            project_id="demo",
            events=[make_event(n * batch + i, now_ms) for i in range(batch)],
        ).SerializeToString()
        for n in range(40)
    ]


def cpu_s(pid: int) -> float:
    """Processor time that a process took so far."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def run(rounds: int = 5) -> dict[str, float]:
    """The flat keys of this bench."""
    now_ms = int(time.time() * 1000)
    payloads = requests_of(BATCH, now_ms)
    small = requests_of(SMALL_BATCH, now_ms)
    lines = b"\n".join(make_line(i, now_ms) for i in range(LINES))
    redis = RedisServer()
    receiver = OtlpReceiver()
    receiver.start()
    floor = subprocess.Popen(
        [sys.executable, __file__, "--floor", redis.url], stdout=subprocess.PIPE, text=True
    )
    doors = []
    try:
        with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryDirectory() as other:
            door = CollectProcess(redis.url, Path(directory))
            doors.append(door)
            watched = CollectProcess(redis.url, Path(other), SIYU_OTLP_ENDPOINT=receiver.endpoint)
            doors.append(watched)
            assert floor.stdout is not None
            floor_target = f"127.0.0.1:{int(floor.stdout.readline())}"
            imports = []
            sides = {
                "floor": (floor.pid, floor_target, door.token()),
                "door": (door.process.pid, door.target, door.token()),
                "watched": (watched.process.pid, watched.target, watched.token()),
            }
            speeds, costs, small_speeds = ({side: [] for side in sides} for _ in range(3))
            for _ in range(rounds):
                for side, (pid, target, token) in sides.items():
                    redis.clear()
                    before = cpu_s(pid)
                    speeds[side].append(asyncio.run(events_per_s(target, payloads, token)))
                    costs[side].append((cpu_s(pid) - before) / (BATCH * (BATCHES + 4)))
                for side, (_, target, token) in sides.items():
                    sent = events_per_s(target, small, token, SMALL_BATCH, SMALL_BATCHES)
                    small_speeds[side].append(asyncio.run(sent))
            for _ in range(max(1, rounds // 2)):
                redis.clear()
                imports.append(asyncio.run(lines_per_s(door.target, lines, door.token())))
            if not receiver.spans:
                raise RuntimeError("the watched door exported nothing")
    finally:
        for one in doors:
            one.stop()
        receiver.stop()
        floor.kill()
        floor.wait()
        redis.stop()
    speed, cost, small_speed = (
        {side: statistics.median(values) for side, values in found.items()}
        for found in (speeds, costs, small_speeds)
    )
    return {
        "collect.durable_events_per_s": round(speed["door"]),
        "collect.floor_events_per_s": round(speed["floor"]),
        "collect.vs_floor": round(speed["door"] / speed["floor"], 3),
        "collect.telemetry_events_per_s": round(speed["watched"]),
        "collect.telemetry_ratio": round(speed["watched"] / speed["door"], 3),
        "collect.telemetry_cpu_us_per_event": round(cost["watched"] * 1e6, 2),
        "collect.cpu_us_per_event": round(cost["door"] * 1e6, 2),
        "collect.floor_cpu_us_per_event": round(cost["floor"] * 1e6, 2),
        "collect.small_batches_events_per_s": round(small_speed["door"]),
        "collect.small_batches_vs_floor": round(small_speed["door"] / small_speed["floor"], 3),
        "collect.import_lines_per_s": round(statistics.median(imports)),
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--floor"]:
        try:
            import uvloop

            uvloop.run(serve_floor(sys.argv[2]))
        except ImportError:
            asyncio.run(serve_floor(sys.argv[2]))
    else:
        print(json.dumps(run(int(sys.argv[1]) if sys.argv[1:] else 5), indent=2))
