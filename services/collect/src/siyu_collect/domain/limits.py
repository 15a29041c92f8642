"""The bounds of an event, as the contract states them."""

from typing import Final

MAX_EVENTS: Final = 5_000
"""Events in a request."""
MAX_IDS: Final = 10
MAX_MESSAGE_ID_BYTES: Final = 100
MAX_NAME_BYTES: Final = 100
MAX_PROPERTIES: Final = 300
MAX_TEXT_BYTES: Final = 8191
MAX_LIST_ITEMS: Final = 100
MAX_LIST_ITEM_BYTES: Final = 255
MAX_NUMBER: Final = 9e14
DECIMALS: Final = 4

MIN_TIME_MS: Final = -2_208_988_800_000
"""1900-01-01, the earliest time a time property or a client's clock may hold."""
MAX_TIME_MS: Final = 10_413_791_999_999
"""The last millisecond of 2299."""

HOUR_MS: Final = 3_600_000
OLDEST_LIVE_MS: Final = 10 * 24 * HOUR_MS
"""A live event may be this old; history comes by import."""
FUTURE_TOLERANCE_MS: Final = 3 * HOUR_MS
"""A clock may be this far ahead; the event is then taken to have happened when it was received."""

CONTEXT_KEYS: Final = frozenset(
    {
        "lib",
        "platform",
        "app_version",
        "utm_source",
        "utm_medium",
        "utm_campaign",
        "user_agent",
        "page_url",
        "referrer",
    }
)
"""The reserved keys of an event's context."""
