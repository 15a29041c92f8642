"""Orders of steps by name, and what vendors mean when they name none."""

from enum import Enum
from typing import Final, NamedTuple

_DAY_MS: Final = 86_400_000


class Order(Enum):
    """How steps must follow one another; see ``FunnelOrder`` in the contract."""

    SEQUENTIAL = "sequential"
    STRICT = "strict_order"
    STRICT_DEDUP = "strict_dedup"
    ANY_ORDER = "any_order"
    GROWINGIO_TOLERANT = "growingio_tolerant"
    NEAREST = "nearest_to_goal"


class Preset(NamedTuple):
    """A vendor's defaults."""

    order: Order
    window_ms: int


DEFAULT: Final = Preset(Order.SEQUENTIAL, 7 * _DAY_MS)
ARK: Final = Preset(Order.STRICT, 7 * _DAY_MS)
SENSORS: Final = Preset(Order.SEQUENTIAL, 30 * _DAY_MS)
GROWINGIO: Final = Preset(Order.GROWINGIO_TOLERANT, _DAY_MS)
POSTHOG: Final = Preset(Order.SEQUENTIAL, 14 * _DAY_MS)

UNORDERED: Final = {Order.ANY_ORDER, Order.GROWINGIO_TOLERANT}
"""Orders in which nothing is between two steps for certain."""
