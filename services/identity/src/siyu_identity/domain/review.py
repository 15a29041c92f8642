"""Inferred links: they wait until somebody decides."""

from dataclasses import dataclass
from enum import IntEnum

from siyu_identity.domain.kruskal import Pair


class ReviewState(IntEnum):
    """How far a review is (the numbers of the contract)."""

    WAITING = 1
    ACCEPTED = 2
    REJECTED = 3


@dataclass(frozen=True, slots=True)
class Review:
    """An inferred link."""

    pair: Pair
    source: str
    submitted_by: str
    submitted_ms: int
    state: ReviewState = ReviewState.WAITING
    decided_by: str = ""
    decided_ms: int = 0
