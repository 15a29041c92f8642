"""What a body may cost before its project is let in."""

import base64
import gzip
import json

import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request

from siyu_collect.domain.limits import MAX_EVENTS, MAX_PROPERTIES
from siyu_collect.http import body
from siyu_collect.http.body_key import candidates
from siyu_collect.http.segment import SegmentDoor
from siyu_collect.http.write_keys import WriteKeys
from siyu_kit.clock import SystemClock
from siyu_kit.crypto import sm3
from siyu_kit.errors import InvalidInput, TooBusy, Unauthenticated
from siyu_kit.limits.admission import Admission
from siyu_kit.limits.policy import LimitPolicy, ProjectLimits

LIMITS = body.BodyLimits(2 << 20, 16 << 20, 5.0)
KEY = "k1"


class Door:
    """The Segment door; what passes it is kept, with the bytes that were in flight then."""

    def __init__(self, directory, limits=None):
        path = directory / "keys.json"
        keys = {KEY: {"project": "demo"}, "k2": {"project": "other"}}
        path.write_text(json.dumps({sm3(k.encode()).hex(): entry for k, entry in keys.items()}))
        self.admission = Admission(LimitPolicy(default=limits or ProjectLimits()))
        self.taken = []
        self._door = SegmentDoor(self._take, WriteKeys(path), SystemClock(), LIMITS, self.admission)

    async def _take(self, items, origin):
        self.taken.append((origin.project_id, len(items), self.admission.load.in_flight_bytes))
        raise TooBusy("OVERLOADED", "far enough", retry_after_s=1.0)

    async def refusal(self, data, *, key="", packed=True):
        headers = {"Content-Encoding": "gzip"} if packed else {}
        if key:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{key}:".encode()).decode()
        payload = StreamReader(BaseProtocol(None), 2**16)
        payload.feed_data(gzip.compress(data) if packed else data)
        payload.feed_eof()
        request = make_mocked_request("POST", "/v1/batch", headers, payload=payload)
        with pytest.raises((TooBusy, InvalidInput, Unauthenticated)) as caught:
            await self._door.batch(request)
        assert self.admission.load.in_flight_bytes == 0
        return caught.value.reason


def _batch(**more):
    return json.dumps({"batch": [{"type": "track"}] * 1000, **more}).encode()


@pytest.mark.parametrize("in_header", [True, False])
async def test_what_is_unpacked_counts_as_held_while_it_is_worked_on(tmp_path, in_header):
    door = Door(tmp_path)
    data = _batch(writeKey=KEY)
    assert await door.refusal(data, key=KEY if in_header else "") == "OVERLOADED"
    project, count, held = door.taken[0]
    assert (project, count) == ("demo", 1000)
    assert len(data) < held < 2 * len(data)


@pytest.mark.parametrize("in_header", [True, False])
async def test_a_project_over_its_rate_is_refused_before_its_body_is_parsed(
    tmp_path, monkeypatch, in_header
):
    door = Door(tmp_path, ProjectLimits(requests_per_s=0.01, burst_s=100))
    data, key = _batch(writeKey=KEY), KEY if in_header else ""
    assert await door.refusal(data, key=key) == "OVERLOADED"
    parsed = []
    monkeypatch.setattr(body, "parsed", parsed.append)
    assert await door.refusal(data, key=key) == "RATE_LIMITED"
    assert not parsed


@pytest.mark.parametrize("more", [{}, {"writeKey": "unknown"}, {"writeKey": 5}])
@pytest.mark.parametrize("packed", [True, False])
async def test_a_body_without_a_known_key_is_not_parsed(tmp_path, monkeypatch, more, packed):
    door = Door(tmp_path)
    parsed = []
    monkeypatch.setattr(body, "parsed", parsed.append)
    assert await door.refusal(_batch(**more), packed=packed) == "TOKEN_INVALID"
    assert not parsed


async def test_the_key_that_let_a_body_in_must_be_its_own(tmp_path):
    door = Door(tmp_path)
    inside = {"batch": [{"type": "track", "writeKey": "k2"}], "writeKey": KEY}
    assert await door.refusal(json.dumps(inside).encode()) == "BODY_INVALID"
    only_inside = {"batch": [{"type": "track", "writeKey": KEY}]}
    assert await door.refusal(json.dumps(only_inside).encode()) == "TOKEN_INVALID"
    assert not door.taken
    beside_a_property = {"batch": [{"properties": {"writeKey": "of a lock"}}], "writeKey": KEY}
    assert await door.refusal(json.dumps(beside_a_property).encode()) == "OVERLOADED"
    assert door.taken[0][0] == "demo"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b'{"writeKey":"a"}', ["a"]),
        (b'{"writeKey" :\n "a\\"\\u0062"}', ['a"b']),
        (b'{"writeKey":"a","batch":[{"writeKey":"b"},{"writeKey":"c"}]}', ["a", "c"]),
        (b'{"writeKey":"' + b"a" * 201 + b'"}', []),
        (b'{"writeKey":"\xff"}', []),
        (b'{"writeKey":5}', []),
        (b'{"writeKey', []),
        (b"", []),
    ],
)
def test_keys_are_found_without_parsing(text, found):
    assert list(candidates(text)) == found


def test_a_body_of_empty_values_is_refused_and_a_full_batch_is_not():
    many = b"[" + b"[]," * 5_000_000 + b"0]"
    with pytest.raises(body.BodyTooLarge) as caught:
        body.parsed(many)
    assert caught.value.metadata["limit"] == str(body.MAX_VALUES)
    event = {"type": "track", "userId": "u", "event": "e", "context": {"app": {"name": "n"}}}
    event["properties"] = {f"{number:x}": 1 for number in range(MAX_PROPERTIES)}
    full = json.dumps({"batch": [event] * MAX_EVENTS}, separators=(",", ":")).encode()
    assert body.MAX_VALUES < len(full) < LIMITS.max_inflated
    assert len(body.parsed(full)["batch"]) == MAX_EVENTS
