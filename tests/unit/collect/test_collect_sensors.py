import pytest

from siyu_collect.app.event_message import event_of
from siyu_collect.domain import sensors
from siyu_collect.http.body import record_digest
from siyu_kit.errors import InvalidInput

NOW = 1_790_000_000_000
LIB = {"$lib": "Android", "$lib_version": "6.5.0", "$lib_method": "code", "$app_version": "7.1"}


def read(record, project="demo"):
    return sensors.fields_of(record, NOW, project, record_digest)


def track(**fields):
    return {
        "type": "track",
        "event": "ViewNews",
        "distinct_id": "a1b2c3",
        "time": NOW - 1000,
        **fields,
    }


def test_a_track_record_of_a_web_page():
    fields = read(
        {
            "type": "track",
            "event": "$WebClick",
            "distinct_id": "C0001",
            "login_id": "C0001",
            "anonymous_id": "17f0a-cookie",
            "time": NOW - 1000,
            "_track_id": 354251,
            "_flush_time": NOW - 500,
            "lib": LIB,
            "properties": {
                "$is_login_id": True,
                "$url": "https://h5.example.cn/open",
                "$referrer": "",
                "$os": "iOS",
                "$utm_source": "baidu",
                "$element_content": "立即开户",
                "amount": 12,
                "first": True,
                "tags": ["a", "b"],
                "nothing": None,
            },
        }
    )
    assert fields["ids"] == [("customer_no", "C0001"), ("anonymous_id", "17f0a-cookie")]
    assert fields["name"] == "$WebClick"
    assert fields["event_time_ms"] == NOW - 500
    assert fields["context"] == {
        "lib": "Android",
        "platform": "iOS",
        "app_version": "7.1",
        "page_url": "https://h5.example.cn/open",
        "utm_source": "baidu",
    }
    assert fields["string_properties"] == {"$element_content": "立即开户"}
    assert fields["number_properties"] == {"amount": 12.0}
    assert fields["bool_properties"] == {"first": True}
    assert fields["list_properties"] == {"tags": ["a", "b"]}
    assert event_of(fields).list_properties["tags"].values == ["a", "b"]


@pytest.mark.parametrize(
    ("record", "ids"),
    [
        (track(), [("anonymous_id", "a1b2c3")]),
        (track(properties={"$is_login_id": True}), [("customer_no", "a1b2c3")]),
        (track(properties={"$is_login_id": False}), [("anonymous_id", "a1b2c3")]),
        (track(login_id="C1"), [("customer_no", "C1"), ("anonymous_id", "a1b2c3")]),
        (
            track(identities={"$identity_login_id": "C1", "$identity_mobile": "13900139001"}),
            [("customer_no", "C1"), ("mobile", "13900139001")],
        ),
        (
            track(
                distinct_id="$identity_email+a@b.cn",
                identities={"$identity_email": "a@b.cn", "$identity_cookie_id": "ck-1"},
            ),
            [("email", "a@b.cn"), ("anonymous_id", "ck-1")],
        ),
        (
            track(
                identities={
                    "$identity_android_id": "d1",
                    "$identity_idfv": "d2",
                    "$identity_oaid": "d3",
                    "$identity_mp_unionid": "u",
                    "$identity_mp_openid": "o",
                }
            ),
            [("device_id", "d1"), ("device_id", "d2"), ("device_id", "d3"), ("unionid", "u"), ("openid", "o")],  # noqa: E501
        ),
    ],
)  # fmt: skip
def test_identifiers(record, ids):
    assert read(record)["ids"] == ids


def test_a_sign_up_links_with_authentication():
    fields = read(
        {
            "type": "track_signup",
            "event": "$SignUp",
            "distinct_id": "C0001",
            "original_id": "anon-1",
            "time": NOW,
            "properties": {"$lib": "python"},
        }
    )
    assert fields["ids"] == [("customer_no", "C0001"), ("anonymous_id", "anon-1")]
    assert (fields["kind"], fields["evidence_class"]) == (2, 3)
    assert "name" not in fields


@pytest.mark.parametrize(("record_type", "kind"), [("track_id_bind", 2), ("track_id_unbind", 3)])
def test_binds(record_type, kind):
    identities = {"$identity_login_id": "C1", "$identity_mobile": "13900139001"}
    fields = read(track(type=record_type, identities=identities))
    assert (fields["kind"], fields["evidence_class"]) == (kind, 3)


@pytest.mark.parametrize(
    ("record_type", "kind"),
    [
        ("profile_set", 4),
        ("profile_set_once", 5),
        ("profile_increment", 6),
        ("profile_append", 7),
        ("profile_unset", 8),
    ],
)
def test_profile_operations_keep_their_system_keys(record_type, kind):
    record = {
        "type": record_type,
        "distinct_id": "C1",
        "time": NOW,
        "properties": {"$is_login_id": True, "$utm_source": "baidu"},
    }
    fields = read(record)
    assert fields["kind"] == kind
    assert fields["string_properties"] == {"$utm_source": "baidu"}


@pytest.mark.parametrize(
    ("record", "reason", "field"),
    [
        ({"type": "item_set", "item_id": "1"}, "RECORD_TYPE_UNSUPPORTED", "type"),
        ({"type": "profile_delete", "distinct_id": "C1"}, "RECORD_TYPE_UNSUPPORTED", "type"),
        ({"type": "teleport"}, "RECORD_INVALID", "type"),
        ({}, "RECORD_INVALID", "type"),
        ([], "RECORD_INVALID", "record"),
        ("x", "RECORD_INVALID", "record"),
        (track(identities={"$identity_passport": "1"}), "IDENTITY_KEY_UNKNOWN", "identities.$identity_passport"),  # noqa: E501
        (track(identities=[1]), "RECORD_INVALID", "identities"),
        (track(project="other"), "PROJECT_MISMATCH", "project"),
        (track(time="yesterday"), "RECORD_INVALID", "time"),
        (track(time=True), "RECORD_INVALID", "time"),
        (track(time=1e300), "RECORD_INVALID", "time"),
        (track(properties=[1]), "RECORD_INVALID", "properties"),
        (track(properties={"a": {"b": 1}}), "VALUE_INVALID", "properties[a]"),
        (track(properties={"a": [1]}), "VALUE_INVALID", "properties[a]"),
        (track(distinct_id={"a": 1}), "RECORD_INVALID", "distinct_id"),
    ],
)  # fmt: skip
def test_refusals_name_the_field(record, reason, field):
    with pytest.raises(InvalidInput) as caught:
        read(record)
    assert (caught.value.reason, caught.value.field) == (reason, field)


def test_the_message_id_is_the_same_when_a_record_is_sent_again():
    first = read(track(_track_id=7, _flush_time=NOW))["message_id"]
    assert read(track(_track_id=7, _flush_time=NOW + 5000))["message_id"] == first
    assert read(track(_track_id=8))["message_id"] != first
    assert read(track(_track_id=7, distinct_id="other"))["message_id"] != first
    assert "a1b2c3" not in first


def test_a_record_without_an_id_is_known_by_its_content():
    first = read(track())["message_id"]
    assert len(first) == 64
    assert read(track(_flush_time=NOW))["message_id"] == first
    assert read(track(properties={"a": 1}))["message_id"] != first


def test_history_is_marked_by_the_sender():
    assert sensors.is_history(track(time_free=True))
    assert not sensors.is_history(track())
    assert not sensors.is_history([])
