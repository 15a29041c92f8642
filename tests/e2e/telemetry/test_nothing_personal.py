"""Personal data planted in every field of every door is found in no signal and no log file."""

import asyncio
import base64
import contextlib
import gzip
import importlib
import inspect
import json

import grpc
import httpx
import pytest

from siyu.event.v1 import event_pb2 as event_pb
from siyu_client.platform.services import SERVICES
from siyu_kit import metric_defs
from siyu_kit.stream.port import NewEntry
from siyu_kit.stream.redis import RedisStreamStore
from support.planting import CANARIES, SECRET, found_in, planted
from support.sqlite_faults import without_table

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
PROJECT = "watched"
EVERYTHING = " ".join(CANARIES.values())
TEXTS = (EVERYTHING, CANARIES["mobile"], CANARIES["name"])
"""Together, and alone those that fit into more fields than all together."""
BROKEN = (
    ("segment", "segment", "segment.CreateSegment"),
    ("touch", "template", "touch.CreateTemplate"),
    ("profile", "contact_point", "profile.SetContactPoints"),
    ("identity", "ident", "identity.Resolve"),
)
"""A table that is gone while a call brings personal data: what the database says is logged."""


def record(text):
    """A message of the Segment specification with the text wherever there is room."""
    return {
        "type": "track",
        "userId": text,
        "anonymousId": text,
        "event": text,
        "messageId": f"m-{text}",
        "properties": {text: text, "list": [text], "deep": {text: text}},
        "traits": {text: text},
        "context": {text: text, "traits": {"name": text}, "ip": text},
        "integrations": {text: True},
        "timestamp": text,
        "sentAt": text,
    }


async def by_http(platform, key, text):
    """Good and bad requests; whatever the answer."""
    good = base64.b64encode(f"{key}:".encode()).decode()
    bad = base64.b64encode(f"{text}:{SECRET}".encode()).decode()
    latin = text.encode("ascii", "ignore").decode().replace(" ", "-") or "x"
    word = "".join(filter(str.isalnum, latin)) or "X"
    sensors = base64.b64encode(json.dumps({"distinct_id": text, "type": text}).encode()).decode()
    headers = {"traceparent": latin, "origin": latin, "user-agent": latin, "x-any": latin}
    authorized = {**headers, "authorization": f"Basic {good}"}
    async with httpx.AsyncClient(base_url=platform.http_url, timeout=10) as door:
        for path in ("/v1/batch", "/v1/track", "/v1/identify", "/v1/alias", "/v1/group"):
            content = {"batch": [record(text)]} if path.endswith("batch") else record(text)
            await door.post(path, json=content, headers=authorized)
            await door.post(
                path, json=content, headers={**headers, "authorization": f"Basic {bad}"}
            )
            await door.post(path, content=f"not json {text}".encode(), headers=authorized)
            await door.post(path, json={**content, "writeKey": text}, params={"project": text})
        for query in (
            {"project": text, "token": key},
            {"token": text},
            {"token": SECRET, text: text},
        ):
            await door.post("/sa", params=query, data={"data": sensors, "ext": text})
            await door.get("/sa.gif", params={**query, "data": text})
        await door.post("/sa", params={"token": key}, content=gzip.compress(text.encode())[:-4])
        await door.post(
            "/sa", params={"token": key}, content=b"x", headers={"content-encoding": latin}
        )
        await door.get(f"/{text}")
        await door.request(f"X{word}", f"/sa/{text}")


async def by_socket(platform, text):
    """What is no HTTP at all."""
    lines = (
        f"{text}\r\n\r\n",
        f"GET /{text} HTTP/9.9\r\n\r\n",
        f"POST /sa HTTP/1.1\r\nContent-Length: {text}\r\n\r\n",
        f"POST /sa HTTP/1.1\r\n{text} {text}\r\nHost: x\r\n\r\n",
    )
    port = platform.addresses["collect"].http

    async def send(line):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(line.encode())
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(1):
                await writer.drain()
                await reader.read()
        writer.close()

    await asyncio.gather(*map(send, lines))


def methods():
    for spec in SERVICES:
        module = importlib.import_module(f"siyu.{spec.name}.v1.{spec.name}_service_pb2")
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                yield spec.name, method


async def by_rpc(channel, method, request, token, text):
    """One call with the request's bytes; whatever the answer."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    metadata = [("authorization", f"Bearer {token}"), ("x-canary-bin", text.encode())]
    with contextlib.suppress(grpc.aio.AioRpcError):
        if method.client_streaming:
            await channel.stream_unary(path)(iter([request]), metadata=metadata, timeout=10)
        elif method.server_streaming:
            async for _ in channel.unary_stream(path)(request, metadata=metadata, timeout=0.3):
                break
        else:
            await channel.unary_unary(path)(request, metadata=metadata, timeout=10)


async def in_every_field(platform, text):
    """Every method with the text in every field, for a project, as a project, and as a token."""
    token = platform.credentials.tokens("user:test", ["admin"], ["*"]).token()
    async with contextlib.AsyncExitStack() as stack:
        channels = {
            name: await stack.enter_async_context(grpc.aio.insecure_channel(address.target))
            for name, address in platform.addresses.items()
        }
        for name, method in methods():
            channel = channels[name]
            own = planted(method.input_type, text, PROJECT).SerializeToString()
            foreign = planted(method.input_type, text, text).SerializeToString()
            await asyncio.gather(
                by_rpc(channel, method, own, token, text),
                by_rpc(channel, method, foreign, token, text),
                by_rpc(channel, method, own, SECRET, text),
            )


async def into_the_log(platform):
    """Entries that nobody can read, and one whose event nobody can store."""
    stream = RedisStreamStore(platform.stream_url)
    unsound = event_pb.EventBatch(
        events=[event_pb.Event(project_id=PROJECT, name=EVERYTHING, string_properties={"a": "b"})]
    )
    entries = [
        NewEntry(EVERYTHING.encode(), kinds=7),
        NewEntry(unsound.SerializeToString(), kinds=7),
    ]
    await stream.append("events", 1, entries)
    await stream.aclose()


async def into_broken_tables(platform):
    """Calls with personal data while the table they need is gone."""
    token = platform.credentials.tokens("user:test", ["admin"], ["*"]).token()
    by_name = {f"{name}.{method.name}": method for name, method in methods()}
    for service, table, name in BROKEN:
        method = by_name[name]
        database = platform.folder / service / "state.db"
        async with grpc.aio.insecure_channel(platform.addresses[service].target) as channel:
            with without_table(database, table):
                for text in CANARIES.values():
                    request = planted(method.input_type, text, PROJECT).SerializeToString()
                    await by_rpc(channel, method, request, token, text)


async def test_no_canary_is_found(travelled, watched, receiver, push, eventually):
    key = watched.write_keys[PROJECT]
    for text in TEXTS:
        await asyncio.gather(
            by_http(watched, key, text), by_socket(watched, text), in_every_field(watched, text)
        )
    await into_the_log(watched)
    await into_broken_tables(watched)

    (message,) = push.messages()
    assert message.body["address"] == SECRET, "what was planted did go through"
    assert EVERYTHING in message.body["body"]
    assert await eventually(lambda: [one for one in receiver.logs if one.body == "rpc_failed"])
    assert all(process.running for process in watched.processes.values())
    await asyncio.sleep(1.5)  # two exports of everything

    looked_for = [*CANARIES.values(), SECRET]
    for signal in ("trace", "metric", "log"):
        content = b"".join(payload for kind, payload in receiver.payloads if kind == signal)
        assert b"siyu" in content
        assert found_in(content, looked_for) == [], signal
    for path in sorted((watched.folder / "logs").iterdir()):
        assert found_in(path.read_bytes(), looked_for) == [], path.name


async def test_every_metric_is_defined_and_has_no_other_labels(receiver):
    known = {
        item.name: item
        for _, item in inspect.getmembers(metric_defs)
        if isinstance(item, tuple) and hasattr(item, "labels")
    }
    names = {point.name for point in receiver.points.values()}
    assert names <= known.keys()
    for point in receiver.points.values():
        assert point.attributes.keys() <= set(known[point.name].labels), point
