"""Clock, ids, configuration, page tokens, ciphers."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu.touch.v1 import touch_service_pb2 as touch_pb
from siyu_kit.clock import ManualClock
from siyu_kit.config import CommonConfig, ConfigError, Secret, load, setting
from siyu_kit.crypto import FieldCipher, hmac_sm3, sm3
from siyu_kit.errors import DataLoss, InvalidInput
from siyu_kit.ids import new_id
from siyu_kit.rpc.paging import PageTokens, request_digest


async def test_sleepers_wake_in_the_order_of_their_times():
    clock, woken = ManualClock(now_ms=1000), []

    async def sleeper(seconds):
        await clock.sleep(seconds)
        woken.append((seconds, clock.now_ms()))

    async with asyncio.TaskGroup() as group:
        for seconds in (3, 1, 2):
            group.create_task(sleeper(seconds))
        await asyncio.sleep(0)
        await clock.advance(1.5)
        assert woken == [(1, 2000)]
        await clock.advance(10)
    assert woken == [(1, 2000), (2, 3000), (3, 4000)]
    assert clock.monotonic() == 11.5
    clock.set_ms(5)
    assert clock.now_ms() == 5


def test_ids_are_uuids_of_version_7_that_sort_by_time():
    ids = [new_id() for _ in range(100)]
    assert len(set(ids)) == 100
    assert [i[:12] for i in ids] == sorted(i[:12] for i in ids)
    assert all(len(i) == 32 and i[12] == "7" and i[16] in "89ab" for i in ids)


@dataclass(frozen=True, kw_only=True)
class Sample(CommonConfig):
    needed: str = setting("SAMPLE_NEEDED", doc="something")
    ratio: float = setting("SAMPLE_RATIO", default=0.5)
    names: tuple[str, ...] = setting("SAMPLE_NAMES", default=())
    peers: dict[str, str] = setting("SAMPLE_PEERS", default=dict)
    kind: Literal["a", "b"] = setting("SAMPLE_KIND", default="a")
    key: Secret = setting("SAMPLE_KEY", default=Secret(""))
    path: Path | None = setting("SAMPLE_PATH", default=None)


def test_settings_are_read_by_type(tmp_path):
    (tmp_path / "key").write_text("hush\n")
    config = load(
        Sample,
        {
            "SAMPLE_NEEDED": "x",
            "SAMPLE_RATIO": "0.25",
            "SAMPLE_NAMES": "a, b,,c",
            "SAMPLE_PEERS": "a=1,b=dns:///x:1",
            "SAMPLE_KEY_FILE": str(tmp_path / "key"),
            "SAMPLE_PATH": "",
            "SIYU_MIGRATE": "off",
            "SIYU_PARTITIONS": "8",
        },
    )
    assert (config.needed, config.ratio, config.names) == ("x", 0.25, ("a", "b", "c"))
    assert config.peers == {"a": "1", "b": "dns:///x:1"}
    assert config.key.reveal() == "hush"
    assert "hush" not in f"{config} {config.key}"
    assert (config.path, config.migrate, config.partitions) == (None, False, 8)


def test_all_problems_are_listed_at_once():
    with pytest.raises(ConfigError) as caught:
        load(
            Sample,
            {
                "SAMPLE_RATIO": "half",
                "SAMPLE_KIND": "c",
                "SAMPLE_PEERS": "a",
                "SIYU_MIGRATE": "maybe",
                "SAMPLE_KEY_FILE": "/does/not/exist",
            },
        )
    text = str(caught.value)
    assert len(caught.value.problems) == 6
    for name in ("NEEDED", "RATIO", "KIND", "PEERS", "MIGRATE", "KEY"):
        assert name in text


@pytest.mark.parametrize(
    "environ",
    [{"SIYU_PARTITIONS": "0"}, {"SIYU_LOG_LEVEL": "LOUD"}, {"SIYU_TLS_CERT_FILE": "x"}],
)
def test_rules_across_settings_are_checked(environ):
    with pytest.raises(ConfigError):
        load(CommonConfig, environ)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("SIYU_LISTEN", ("nonsense", "127.0.0.1:99999", ":7400", "127.0.0.1:-1", "127.0.0.1:", "")),
        ("SIYU_DATABASE_URL", ("mysql://u:hush@x", "sqlite:///x", "hush")),
        ("SIYU_STREAM_URL", ("http://:hush@x", "", "hush")),
        ("SIYU_MAX_LOOP_LAG_S", ("nan", "inf", "0")),
        ("SIYU_PROJECT_EVENTS_PER_S", ("nan", "-1", "inf")),
        ("SIYU_TRACE_RATIO", ("nan",)),
        ("SIYU_MAX_CONCURRENT_RPCS", ("0", "-1")),
        ("SIYU_STOP_GRACE_S", ("-1", "nan", "inf")),
        ("SIYU_DRAIN_DELAY_S", ("-1",)),
    ],
)
def test_a_setting_that_no_service_can_run_with_is_named(name, values):
    for value in values:
        with pytest.raises(ConfigError) as caught:
            load(CommonConfig, {name: value})
        told = str(caught.value).replace("SIYU_PROJECT_*_PER_S", name)
        assert name in told or "SIYU_MAX_QUEUE_AGE_S and its like" in told
        assert "hush" not in told


def test_all_settings_that_no_service_can_run_with_are_named_at_once():
    with pytest.raises(ConfigError) as caught:
        load(CommonConfig, {"SIYU_LISTEN": "x", "SIYU_STREAM_URL": "x", "SIYU_STOP_GRACE_S": "-1"})
    for name in ("LISTEN", "STREAM_URL", "STOP_GRACE_S"):
        assert f"  SIYU_{name}: " in str(caught.value)


@pytest.mark.parametrize("listen", ["0.0.0.0:7400", "[::]:7400", "localhost:0", "unix:/tmp/s"])
def test_addresses_to_listen_on(listen):
    assert load(CommonConfig, {"SIYU_LISTEN": listen}).listen == listen


def test_page_tokens_belong_to_their_request():
    tokens = PageTokens(b"key")
    first = touch_pb.ListCampaignsRequest(project_id="a", page_size=10)
    digest = request_digest(first)
    token = tokens.encode("cursor", digest)
    first.page_token, first.page_size = token, 50
    assert tokens.decode(token, request_digest(first)) == b"cursor"
    assert tokens.decode("", digest) == b""
    first.project_id = "b"
    wrong = [(token, request_digest(first)), (token[:-1] + "!", digest), ("é", digest), ("AA", b"")]
    for bad, other in wrong:
        with pytest.raises(InvalidInput) as caught:
            tokens.decode(bad, other)
        assert (caught.value.reason, caught.value.field) == ("PAGE_TOKEN_INVALID", "page_token")
    with pytest.raises(InvalidInput):
        PageTokens().decode(token, digest)


@given(st.text(max_size=40))
def test_no_text_decodes_by_chance(text):
    if text:
        with pytest.raises(InvalidInput):
            PageTokens(b"key").decode(text)


def test_sm3_equals_the_standard_vectors():
    """GB/T 32905-2016, annex A."""
    assert sm3(b"abc").hex() == ("66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0")
    assert sm3(b"abcd" * 16).hex() == (
        "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"
    )


def test_hmac_sm3_follows_its_definition():
    """RFC 2104 over SM3, written out."""
    key, data = b"k" * 20, b"data"
    padded = key.ljust(64, b"\0")
    inner = sm3(bytes(b ^ 0x36 for b in padded) + data)
    assert hmac_sm3(key, data) == sm3(bytes(b ^ 0x5C for b in padded) + inner)


def test_sm4_gcm_equals_the_vector_of_rfc_8998():
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    key = bytes.fromhex("0123456789abcdeffedcba9876543210")
    nonce = bytes.fromhex("00001234567800000000abcd")
    aad = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    plain = bytes.fromhex(
        "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd"
        "eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa"
    )
    encryptor = Cipher(algorithms.SM4(key), modes.GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(aad)
    sealed = encryptor.update(plain) + encryptor.finalize()
    assert sealed.hex() == (
        "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
        "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
    )
    assert encryptor.tag.hex() == "83de3541e4c2b58177e065a9bf7b62ec"


@given(st.binary(max_size=64), st.binary(max_size=16), st.data())
def test_a_field_opens_only_unaltered_and_in_its_place(plain, context, data):
    cipher = FieldCipher({1: b"1" * 16, 2: b"2" * 16}, current=2)
    sealed = cipher.encrypt(plain, context)
    assert cipher.decrypt(sealed, context) == plain
    position = data.draw(st.integers(0, len(sealed) - 1))
    altered = bytearray(sealed)
    altered[position] ^= 1
    for value, place in (
        (bytes(altered), context),
        (sealed, context + b"x"),
        (sealed[:20], context),
    ):
        with pytest.raises(DataLoss):
            cipher.decrypt(value, place)


def test_old_keys_still_open_and_bad_keys_are_refused():
    old = FieldCipher({1: b"1" * 16}, current=1).encrypt(b"v")
    assert FieldCipher({1: b"1" * 16, 2: b"2" * 16}, current=2).decrypt(old) == b"v"
    with pytest.raises(ValueError, match="16 bytes"):
        FieldCipher({1: b"short"}, current=1)
    with pytest.raises(ValueError, match="current"):
        FieldCipher({1: b"1" * 16}, current=2)


def test_page_tokens_of_two_listings_with_the_same_fields_are_not_interchangeable():
    tokens = PageTokens(b"key")
    campaigns = touch_pb.ListCampaignsRequest(project_id="a")
    templates = touch_pb.ListTemplatesRequest(project_id="a")
    assert campaigns.SerializeToString() == templates.SerializeToString()
    token = tokens.encode("cursor", request_digest(campaigns))
    with pytest.raises(InvalidInput):
        tokens.decode(token, request_digest(templates))
