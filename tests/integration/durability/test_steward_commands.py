"""A steward at the command line: an event that nobody can store is mended and replayed."""

import json
import time

import pytest
import redis

from siyu.event.v1.event_pb2 import EVENT_KIND_TRACK, Event, EventBatch
from siyu.type.v1.identifier_pb2 import Identifier
from siyu_client.cli import main
from siyu_kit.testing.redis import RedisServer
from support.small_platform import SmallPlatform

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


@pytest.fixture
def platform(tmp_path):
    server = RedisServer()
    running = SmallPlatform(tmp_path, server.url, ("identity", "analytics"))
    running.publish()
    running.server = server
    yield running
    running.stop()
    server.stop()


def append(server, identifier_type):
    """What a door does; this one lets an identifier pass that identity does not know."""
    now_ms = int(time.time() * 1000)
    event = Event(
        message_id="m1",
        project_id="demo",
        ids=[Identifier(type=identifier_type, value="C00000001")],
        kind=EVENT_KIND_TRACK,
        name="news_view",
        event_time_ms=now_ms,
        client_time_ms=now_ms,
        received_time_ms=now_ms,
    )
    payload = EventBatch(events=[event]).SerializeToString()
    with redis.Redis.from_url(server.url) as client, client.pipeline(transaction=True) as pipe:
        pipe.xadd("siyu.events.0", {"p": payload, "n": 1, "k": 1, "j": "demo"})
        pipe.hincrby("siyu.ledger", "door:demo:accepted", 1)
        pipe.execute()


def test_an_event_is_mended_and_replayed_by_command(platform, tmp_path, capsys):
    at = ("--dir", str(tmp_path))

    def siyu(*words):
        status = main([*words, *at])
        told = capsys.readouterr()
        return status, told.out, told.err

    def until(words, *command):
        deadline = time.monotonic() + 60
        while words not in " ".join((told := siyu(*command))[1].split()):
            assert time.monotonic() < deadline, told
            time.sleep(0.3)
        return told

    append(platform.server, "passport")
    until("IDENTIFIER_REFUSED", "dead-letters", "list", "analytics")
    status, content, about = siyu("dead-letters", "show", "analytics", "1")
    assert (status, "IDENTIFIER_REFUSED" in about) == (0, True)
    letter = tmp_path / "letter.json"
    letter.write_text(json.dumps(json.loads(content)).replace("passport", "customer_no"))
    why = ("--reason", "the sender used a type of its own")
    assert siyu("dead-letters", "fix", "analytics", "1", str(letter), *why)[0] == 0
    assert "fixed" in siyu("dead-letters", "list", "analytics")[1]
    status, _, refused = siyu("dead-letters", "replay", "analytics", *why)
    assert (status, "somebody else" in refused) == (1, True)
    other = ("--subject", "bob", *why)
    assert siyu("dead-letters", "replay", "analytics", *other)[1].strip() == "replayed 1"
    assert siyu("dead-letters", "replay", "analytics", "1", *why)[0] == 1
    told = until(" stored 1 ", "reconcile")
    figures = dict(line.rsplit(maxsplit=1) for line in told[1].splitlines() if " " in line)
    assert {name.strip(): int(count) for name, count in figures.items()} == {
        "received": 1, "accepted": 1, "replayed dead letters": 1, "stored": 1, "duplicates": 0,
        "for other services": 0, "dead letters": 1, "pending": 0, "lost": 0, "unaccounted": 0,
    }  # fmt: skip
    assert told[0] == 0
    assert "balanced" in told[1]
    status, _, refused = siyu("dead-letters", "discard", "analytics", "7", *why)
    assert status == 1
    assert "DEAD_LETTER_NOT_FOUND" in refused
    assert "no open dead letters" in siyu("dead-letters", "list", "identity")[1]
