import pytest

from siyu_kit.config import ConfigError, load
from siyu_touch.config import TouchConfig

GOOD = {f"SIYU_{name}_TARGET": "127.0.0.1:1" for name in
        ("SEGMENT", "PROFILE", "ANALYTICS", "IDENTITY", "COLLECT")}  # fmt: skip
GOOD |= {"SIYU_TOUCH_KEY": "ab" * 32}


@pytest.mark.parametrize(
    "url",
    ["", "http://127.0.0.1:9000/push", "https://push.example", "http://[::1]:80/a?b=c"],
)
def test_an_address_of_a_provider_is_taken(url):
    assert load(TouchConfig, GOOD | {"SIYU_TOUCH_PUSH_URL": url}).push_url == url


@pytest.mark.parametrize(
    "url",
    [
        "localhost:9000/push",
        "127.0.0.1:9000/push",
        "htp://x/push",
        "http://",
        "http://[bad/push",
        " http://127.0.0.1:1/p",
        "http://127.0.0.1:1/p\n",
        "http://a b/p",
        "http://x:99999/p",
        "http://x:port/p",
    ],
)
def test_what_is_no_address_ends_the_start(url):
    with pytest.raises(ConfigError, match="SIYU_TOUCH_PUSH_URL"):
        load(TouchConfig, GOOD | {"SIYU_TOUCH_PUSH_URL": url})


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_a_wait_for_the_provider_ends(seconds):
    with pytest.raises(ConfigError, match="SIYU_TOUCH_PUSH_TIMEOUT_S"):
        load(TouchConfig, GOOD | {"SIYU_TOUCH_PUSH_TIMEOUT_S": seconds})
