"""The door gives no OK that the stream server does not keep."""

import threading
import time

import grpc
import pytest
import redis

from siyu.collect.v1.collect_service_pb2 import (
    DURABILITY_DURABLE,
    DURABILITY_RELAXED,
    DURABILITY_REPLICATED,
    IngestRequest,
    IngestResponse,
)
from siyu.event.v1.event_pb2 import EVENT_KIND_TRACK, Event, EventBatch
from siyu.type.v1.identifier_pb2 import Identifier
from siyu_kit.errors import DependencyDown
from siyu_kit.rpc.status import from_rpc_error
from siyu_kit.testing.redis import RedisServer
from support.collect_process import CollectProcess
from support.switchboard import Switchboard

pytestmark = pytest.mark.integration
INGEST = "/siyu.collect.v1.CollectService/Ingest"


@pytest.fixture
def servers():
    """Makes servers; they end with the test."""
    made = []

    def make(**settings):
        made.append(RedisServer(None, **settings))
        return made[-1]

    yield make
    for server in made:
        server.kill()
        server.stop()


def replica_of(servers, primary, **settings):
    replica = servers(replicaof=f"127.0.0.1 {primary.port}", **settings)
    deadline = time.monotonic() + 20
    while primary.replicas() < 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return replica


def batch(first, count=20):
    now_ms = int(time.time() * 1000)
    return IngestRequest(
        project_id="demo",
        events=[
            Event(
                message_id=f"m{n}",
                ids=[Identifier(type="customer_no", value=f"C{n % 97:05}")],
                kind=EVENT_KIND_TRACK,
                name="news_view",
                event_time_ms=now_ms,
            )
            for n in range(first, first + count)
        ],
    )


def ingest(door, request, timeout_s=10):
    """The answer; raises the domain error."""
    metadata = (("authorization", f"Bearer {door.token()}"),)
    with grpc.insecure_channel(door.target) as channel:
        call = channel.unary_unary(
            INGEST, IngestRequest.SerializeToString, IngestResponse.FromString
        )
        try:
            return call(request, timeout=timeout_s, metadata=metadata)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from None


def refusal(door, within_s=8.0):
    """The refusal for the broken promise, once it comes."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            ingest(door, batch(0))
        except DependencyDown as error:
            if error.reason == "STREAM_PROMISE_BROKEN":
                return error
        time.sleep(0.05)
    raise AssertionError("the door is open")


def opens(door, within_s=10.0):
    deadline = time.monotonic() + within_s
    while True:
        try:
            return ingest(door, batch(0))
        except DependencyDown:
            assert time.monotonic() < deadline
            time.sleep(0.05)


class Sender(threading.Thread):
    """Sends batch after batch; remembers what was answered OK."""

    def __init__(self, door):
        super().__init__(daemon=True)
        self._door = door
        self._over = threading.Event()
        self.acknowledged = []
        self.durabilities = set()

    def run(self):
        first = 0
        while not self._over.is_set():
            request = batch(first)
            try:
                answer = ingest(self._door, request, 2)
            except DependencyDown:
                time.sleep(0.02)
                continue
            assert answer.accepted == len(request.events)
            self.durabilities.add(answer.durability)
            self.acknowledged += [event.message_id for event in request.events]
            first += len(request.events)

    def wait_for(self, more):
        goal, deadline = len(self.acknowledged) + more, time.monotonic() + 20
        while len(self.acknowledged) < goal:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def end(self):
        self._over.set()
        self.join(20)


def held(server):
    """Message ids in the stream."""
    with redis.Redis.from_url(server.url) as client:
        return {
            event.message_id
            for partition in range(4)
            for _, fields in client.xrange(f"siyu.events.{partition}")
            for event in EventBatch.FromString(fields[b"p"]).events
        }


def test_a_server_that_promises_less_keeps_the_door_shut(tmp_path, servers):
    server = servers(appendfsync="everysec")
    with pytest.raises(RuntimeError) as failed:  # it never becomes ready
        CollectProcess(server.url, tmp_path, unless="stream_promise_broken")
    assert "stream_promise_broken" in str(failed.value)
    assert "set appendfsync always" in str(failed.value)
    door = CollectProcess(server.url, tmp_path, SIYU_STREAM_DURABILITY="relaxed")
    try:
        assert ingest(door, batch(0)).durability == DURABILITY_RELAXED
    finally:
        door.stop()


def test_settings_that_change_under_a_running_door_shut_it_within_seconds(tmp_path, servers):
    server = servers()
    door = CollectProcess(server.url, tmp_path)
    try:
        assert ingest(door, batch(0)).durability == DURABILITY_DURABLE
        server.configure(appendfsync="no")
        error = refusal(door)
        assert "set appendfsync always" in error.metadata["problem"]
        server.configure(appendfsync="always")
        assert opens(door).accepted == 20
        # A restart with weaker settings is another server: looked at before anything is written.
        server.kill()
        server._settings["appendfsync"] = "everysec"
        server.start()
        before = held(server)
        refusal(door)
        assert held(server) == before
    finally:
        door.stop()


def test_what_was_answered_durable_survives_kill_9_of_the_server(tmp_path, servers):
    server = servers()
    door = CollectProcess(server.url, tmp_path)
    sender = Sender(door)
    try:
        sender.start()
        for _ in range(3):
            sender.wait_for(200)
            server.kill()
            time.sleep(0.2)
            server.start()
        sender.wait_for(100)
        sender.end()
        assert sender.durabilities == {DURABILITY_DURABLE}
        assert set(sender.acknowledged) <= held(server)
        assert "stream_forgot_acknowledged" not in door.log()
    finally:
        sender.end()
        door.stop()


def test_what_was_answered_replicated_is_on_the_replica_that_takes_over(tmp_path, servers):
    primary = servers(appendfsync="everysec", **{"repl-diskless-sync-delay": "0"})
    replica = replica_of(servers, primary, appendfsync="everysec")
    board = Switchboard(primary.port)
    door = CollectProcess(board.url, tmp_path, SIYU_STREAM_DURABILITY="replicated")
    sender = Sender(door)
    try:
        sender.start()
        sender.wait_for(400)
        board.connect_to(0)
        primary.kill()
        replica.promote()
        board.connect_to(replica.port)
        # Alone it promises less: the door stays shut until it has a replica of its own.
        refusal(door)
        sender.end()
        assert sender.durabilities == {DURABILITY_REPLICATED}
        assert set(sender.acknowledged) <= held(replica)
        replica_of(servers, replica, appendfsync="everysec")
        assert opens(door).durability == DURABILITY_REPLICATED
    finally:
        sender.end()
        door.stop()
        board.stop()


def test_an_account_of_refusals_alone_is_kept_before_the_answer(tmp_path, servers):
    server = servers()
    door = CollectProcess(server.url, tmp_path)
    try:
        request = batch(0, 3)
        for event in request.events:
            del event.ids[:]
        assert len(ingest(door, request).refused) == 3
        with redis.Redis.from_url(server.url) as client:
            [(name, count)] = client.hgetall("siyu.ledger").items()
        assert name.decode().endswith(":demo:refused.NO_IDENTIFIER")
        assert int(count) == 3
    finally:
        door.stop()
