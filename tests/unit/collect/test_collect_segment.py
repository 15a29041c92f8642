import pytest

from siyu_collect.domain import segment
from siyu_collect.http.body import record_digest
from siyu_kit.errors import InvalidInput

NOW = 1_790_000_000_000
HOUR_MS = 3_600_000
USER = {"userId": "C0001", "anonymousId": "an-1", "messageId": "m-1"}


def read(message, call="", sent_at=None):
    return segment.fields_of(message, call, sent_at, NOW, record_digest)


def test_a_track_call():
    fields = read(
        {
            **USER,
            "type": "track",
            "event": "Deposit Made",
            "properties": {"amount": 100, "bank": {"name": "ICBC"}, "tags": ["a"], "none": None},
            "context": {
                "library": {"name": "analytics.js", "version": "2"},
                "os": {"name": "iOS"},
                "app": {"version": "7.1"},
                "campaign": {"source": "baidu", "medium": "cpc", "name": "spring"},
                "device": {"id": "D-1"},
                "userAgent": "Mozilla",
                "page": {"url": "https://x.cn", "referrer": "https://y.cn"},
                "externalIds": [{"id": "13900139001", "type": "phone", "collection": "users"}],
            },
        }
    )
    assert fields["ids"] == [
        ("customer_no", "C0001"),
        ("anonymous_id", "an-1"),
        ("device_id", "D-1"),
        ("mobile", "13900139001"),
    ]
    assert (fields["kind"], fields["name"], fields["message_id"]) == (1, "Deposit Made", "m-1")
    assert fields["string_properties"] == {"bank.name": "ICBC"}
    assert fields["number_properties"] == {"amount": 100.0}
    assert fields["list_properties"] == {"tags": ["a"]}
    assert fields["context"] == {
        "lib": "analytics.js",
        "platform": "iOS",
        "app_version": "7.1",
        "utm_source": "baidu",
        "utm_medium": "cpc",
        "utm_campaign": "spring",
        "user_agent": "Mozilla",
        "page_url": "https://x.cn",
        "referrer": "https://y.cn",
    }
    assert fields["event_time_ms"] == NOW


def test_identify_sets_traits_and_links():
    fields = read({**USER, "traits": {"level": "C3", "address": {"city": "上海"}}}, "identify")
    assert (fields["kind"], fields["evidence_class"]) == (4, 3)
    assert fields["ids"] == [("customer_no", "C0001"), ("anonymous_id", "an-1")]
    assert fields["string_properties"] == {"level": "C3", "address.city": "上海"}


@pytest.mark.parametrize("call", ["page", "screen"])
def test_views_are_track_events(call):
    fields = read({**USER, "name": "Home", "category": "news", "properties": {"n": 1}}, call)
    assert (fields["kind"], fields["name"]) == (1, f"{call}_view")
    assert fields["string_properties"] == {f"{call}_name": "Home", f"{call}_category": "news"}


def test_alias_binds():
    fields = read({"type": "alias", "previousId": "an-0", "userId": "C0001", "messageId": "m"})
    assert (fields["kind"], fields["evidence_class"]) == (2, 3)
    assert fields["ids"] == [("customer_no", "C0001"), ("anonymous_id", "an-0")]


def test_group_is_told_by_an_event():
    fields = read({**USER, "type": "group", "groupId": 7, "traits": {"plan": "vip"}})
    assert fields["name"] == "group_joined"
    assert fields["string_properties"] == {"plan": "vip", "group_id": "7"}


def test_the_batchs_time_of_sending_serves_its_messages():
    message = {**USER, "type": "track", "event": "x", "timestamp": "2026-09-21T12:00:00+08:00"}
    fields = read(message, sent_at="2026-09-21T04:00:05Z")
    assert fields["event_time_ms"] == NOW - 5000
    own = read({**message, "sentAt": "2026-09-21T04:00:01Z"}, sent_at="2026-09-21T04:00:05Z")
    assert own["event_time_ms"] == NOW - 1000


def test_a_message_without_a_time_happened_when_it_came():
    fields = read({**USER, "type": "track", "event": "x"}, sent_at="2020-01-01T00:00:00Z")
    assert fields["event_time_ms"] == NOW


def test_a_message_with_an_id_and_no_time_is_the_same_whenever_it_is_sent_again():
    message = {**USER, "type": "track", "event": "x"}
    last_of_hour = NOW // HOUR_MS * HOUR_MS + HOUR_MS - 1
    first, again = (
        segment.fields_of(message, "", None, received, record_digest)
        for received in (last_of_hour, last_of_hour + 1500)
    )
    assert (again["message_id"], again["client_time_ms"]) == ("m-1", first["client_time_ms"])
    assert again["event_time_ms"] == last_of_hour + 1500
    others = {read({**message, "messageId": f"m-{i}"})["client_time_ms"] for i in range(2000)}
    assert len(others) > 1500
    assert all(0 < time < NOW // 2 and time % HOUR_MS == 0 for time in others)


def test_content_alone_is_the_same_message_within_its_hour_only():
    message = {"type": "track", "event": "x", "userId": "C1"}
    assert read(message)["client_time_ms"] == NOW
    sent = read({**message, "sentAt": "2026-09-21T04:00:01Z"})
    assert sent["message_id"] == read(message)["message_id"]


def test_a_message_without_an_id_is_known_by_its_content():
    message = {"type": "track", "event": "x", "userId": "C1"}
    assert read(message)["message_id"] == read(dict(reversed(message.items())))["message_id"]


@pytest.mark.parametrize(
    ("message", "reason", "field"),
    [
        ("x", "RECORD_INVALID", "message"),
        ({"type": "teleport"}, "RECORD_INVALID", "type"),
        ({**USER, "type": "track", "event": ["x"]}, "RECORD_INVALID", "event"),
        ({**USER, "type": "track", "event": "x", "timestamp": "noon"}, "RECORD_INVALID", "timestamp"),  # noqa: E501
        ({**USER, "type": "track", "event": "x", "timestamp": 17}, "RECORD_INVALID", "timestamp"),
        ({**USER, "type": "track", "event": "x", "properties": []}, "RECORD_INVALID", "properties"),
        ({**USER, "type": "track", "event": "x", "properties": {"a": [{}]}}, "VALUE_INVALID", "properties[a]"),  # noqa: E501
        ({**USER, "type": "track", "context": {"externalIds": [{"id": "1", "type": "x"}]}}, "IDENTITY_KEY_UNKNOWN", "context.externalIds[0].type"),  # noqa: E501
        ({**USER, "type": "track", "context": {"externalIds": "x"}}, "RECORD_INVALID", "context.externalIds"),  # noqa: E501
        ({**USER, "type": "track", "context": {"externalIds": ""}}, "RECORD_INVALID", "context.externalIds"),  # noqa: E501
        ({**USER, "type": "track", "context": 5}, "RECORD_INVALID", "context"),
        ({"userId": {"a": 1}, "type": "track"}, "RECORD_INVALID", "userId"),
    ],
)  # fmt: skip
def test_refusals_name_the_field(message, reason, field):
    with pytest.raises(InvalidInput) as caught:
        read(message)
    assert (caught.value.reason, caught.value.field) == (reason, field)


def test_deep_nesting_is_refused():
    deep = {}
    for _ in range(50):
        deep = {"a": deep}
    with pytest.raises(InvalidInput):
        read({**USER, "type": "track", "event": "x", "properties": deep})
