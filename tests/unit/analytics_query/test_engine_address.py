"""One text says where a ClickHouse server is and who asks."""

import pytest

from siyu_analytics.config import AnalyticsConfig
from siyu_analytics.engine.address import Server, server_of
from siyu_kit.config import ConfigError, Secret, load


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://store", Server("http", "store", 8123, "default", Secret(""), "default")),
        ("https://store", Server("https", "store", 8443, "default", Secret(""), "default")),
        (
            "https://siyu:p%40ss%3A@store.example:9443/events",
            Server("https", "store.example", 9443, "siyu", Secret("p@ss:"), "events"),
        ),
    ],
)
def test_the_parts_of_an_address(text, expected):
    assert server_of(Secret(text)) == expected


@pytest.mark.parametrize(
    "text", ["store:8123", "tcp://u:hidden@store", "https://", "http://u:hidden@store/?a=1"]
)
def test_another_form_is_refused_without_telling_the_secret(text):
    with pytest.raises(ValueError, match="SIYU_ANALYTICS_ENGINE_URL") as refused:
        server_of(Secret(text))
    assert "hidden" not in str(refused.value)


def test_a_service_with_a_bad_address_does_not_start():
    given = {"SIYU_IDENTITY_TARGET": "x:1", "SIYU_PROFILE_TARGET": "y:1"}
    given["SIYU_ANALYTICS_ENGINE_URL"] = "tcp://u:hidden@store"
    with pytest.raises(ConfigError, match="SIYU_ANALYTICS_ENGINE_URL") as refused:
        load(AnalyticsConfig, given)
    assert "hidden" not in str(refused.value)
