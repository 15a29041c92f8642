"""Risk ratings: the latest assessment counts."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rating:
    """One assessment; ``level`` is 1 (C1, most cautious) to 5 (C5)."""

    rating_id: str
    ident_no: int
    level: int
    assessed_time_ms: int
    expire_time_ms: int


def fold_ratings(ratings: Iterable[Rating]) -> Rating | None:
    """The latest; assessed at the same time, the more cautious."""
    return max(ratings, key=_order, default=None)


def _order(rating: Rating) -> tuple[int, int, int, str]:
    return rating.assessed_time_ms, -rating.level, -rating.expire_time_ms, rating.rating_id
