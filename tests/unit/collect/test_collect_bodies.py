import base64
import gzip
import json
import zlib

import pytest

from siyu_collect.config import CollectConfig
from siyu_collect.http import body
from siyu_collect.http.sensors import _check_crc
from siyu_collect.http.write_keys import WriteKeys
from siyu_kit.config import ConfigError, load
from siyu_kit.crypto import sm3
from siyu_kit.errors import InvalidInput, PermissionDenied, Unauthenticated


def test_a_bomb_is_stopped_before_it_unpacks():
    bomb = gzip.compress(b"0" * 50_000_000)
    with pytest.raises(body.BodyTooLarge):
        body.inflated(bomb, 1_000_000)


@pytest.mark.parametrize(
    "data",
    [b"", b"\x1f\x8b", gzip.compress(b"x" * 100, mtime=0)[:-9], b"plain"],
    ids=["empty", "two bytes", "cut", "plain"],
)
def test_broken_gzip_is_refused(data):
    with pytest.raises(InvalidInput) as caught:
        body.inflated(data, 1000)
    assert caught.value.reason == "BODY_INVALID"


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
@pytest.mark.parametrize("behind", [b"GARBAGE", gzip.compress(b"more"), b"\0"])
def test_bytes_behind_the_packed_ones_are_not_lost_in_silence(pack, behind):
    assert body.inflated(pack(b"plain"), 1000) == b"plain"
    with pytest.raises(InvalidInput) as caught:
        body.inflated(pack(b"plain") + behind, 1000)
    assert caught.value.reason == "BODY_INVALID"


@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_base64_with_and_without_gzip(pack):
    text = base64.b64encode(pack(b'{"a": 1}')).decode()
    assert body.from_base64(text, gzip=pack is gzip.compress, max_inflated=100) == b'{"a": 1}'
    assert body.from_base64(text.replace("+", " ").rstrip("="), gzip=False, max_inflated=100)


def test_what_is_no_base64_is_refused():
    with pytest.raises(InvalidInput):
        body.from_base64("%%%", gzip=False, max_inflated=100)


@pytest.mark.parametrize("depth", [300, 1000])
def test_a_record_too_deep_for_an_id_of_its_content_is_refused_alone(depth):
    record = body.parsed(b'{"a":' * depth + b"1" + b"}" * depth)
    with pytest.raises(InvalidInput) as caught:
        body.record_digest(record)
    assert (caught.value.reason, caught.value.field) == ("RECORD_INVALID", "record")


@pytest.mark.parametrize(
    ("text", "crc"), [("hello", "99162322"), ("polygenelubricants", "-2147483648")]
)
def test_the_check_sum_is_javas_hash(text, crc):
    _check_crc({"crc": crc}, text)
    _check_crc({"ext": f"crc={crc}"}, text)
    with pytest.raises(InvalidInput):
        _check_crc({"crc": "1"}, text)


def test_write_keys(tmp_path):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({sm3(b"k1").hex(): {"project": "demo"}}))
    keys = WriteKeys(path)
    assert keys.project_of("k1") == keys.project_of("k1", "demo") == "demo"
    with pytest.raises(PermissionDenied):
        keys.project_of("k1", "other")
    for wrong in ("", "k2", "\udcff"):
        with pytest.raises(Unauthenticated):
            keys.project_of(wrong)


def test_a_changed_file_is_read_and_a_broken_one_is_not(tmp_path):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({sm3(b"k1").hex(): {"project": "demo"}}))
    keys = WriteKeys(path)
    path.write_text("{")
    keys.refresh()
    assert keys.project_of("k1") == "demo"
    replaced = tmp_path / "new.json"
    replaced.write_text(json.dumps({sm3(b"k2").hex(): {"project": "demo"}}))
    replaced.replace(path)
    keys.refresh()
    assert keys.project_of("k2") == "demo"
    with pytest.raises(Unauthenticated):
        keys.project_of("k1")


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"short": {"project": "x"}}', '{"%s": 5}' % ("a" * 64)]
)
def test_a_broken_file_stops_the_start(tmp_path, text):
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(ValueError):  # noqa: PT011 - json's own error is one too
        WriteKeys(path)


def test_the_doors_address_is_checked():
    with pytest.raises(ConfigError, match="SIYU_COLLECT_HTTP_LISTEN"):
        load(CollectConfig, {"SIYU_COLLECT_HTTP_LISTEN": "nonsense"})
