"""Which product may be offered to whom (证券期货投资者适当性管理办法), as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

HIGHEST_PRODUCT: Final[Mapping[int, int]] = MappingProxyType({1: 1, 2: 2, 3: 3, 4: 4, 5: 5})
"""Investor level C1 to C5 -> highest product risk R1 to R5 that may be promoted."""


@dataclass(frozen=True)
class Rating:
    """The standing risk rating; times are milliseconds UTC."""

    level: int
    expire_time_ms: int
    rating_id: str = ""


def unsuitable(product_risk: int, rating: Rating | None, now_ms: int) -> str:
    """Why a product may not be offered: NOT_ASSESSED, RATING_EXPIRED or ABOVE_LEVEL; else empty.

    ``product_risk`` 0 promotes no product and suits everybody.
    """
    if product_risk == 0:
        return ""
    if rating is None or rating.level not in HIGHEST_PRODUCT:
        return "NOT_ASSESSED"
    if now_ms >= rating.expire_time_ms:
        return "RATING_EXPIRED"
    return "" if product_risk <= HIGHEST_PRODUCT[rating.level] else "ABOVE_LEVEL"
