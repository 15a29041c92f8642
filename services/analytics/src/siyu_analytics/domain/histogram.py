"""Histograms of lengths of time: buckets between ascending bounds."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from siyu_analytics.domain.checks import require

MAX_BOUNDS: Final = 50


def buckets_of(bounds: Sequence[int]) -> list[tuple[int, int]]:
    """The buckets by their bounds, from 0 on, 0 at the end for none; no bounds, no buckets."""
    return list(pairwise((0, *bounds, 0))) if bounds else []


def check_bounds(bounds: Sequence[int], field: str) -> None:
    """Refuse bounds that are too many or do not ascend."""
    require(len(bounds) <= MAX_BOUNDS, field, f"at most {MAX_BOUNDS}")
    ascending = all(low < high for low, high in pairwise((0, *bounds)))
    require(ascending, field, "above 0 and ascending")
