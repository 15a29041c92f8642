"""Finds the number of times of a behaviour that separates those who convert best."""

from typing import NamedTuple

from siyu_analytics.app.asking import Asking, Call
from siyu_analytics.app.ports import Snapshot
from siyu_analytics.app.query_conversion import tallied
from siyu_analytics.domain.conversion import (
    DEFAULT_MAX_K,
    Candidate,
    Definition,
    candidates,
    check_definition,
    check_max_k,
    turning_point,
)


class TurningPointAnswer(NamedTuple):
    """The numbers."""

    definition: Definition
    max_k: int
    k: int
    candidates: list[Candidate]
    snapshot: Snapshot


class FindTurningPoint:
    """The use case."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def __call__(self, call: Call, definition: Definition, max_k: int) -> TurningPointAnswer:
        definition = definition.filled(self._asking.clock.now_ms())
        max_k = max_k or DEFAULT_MAX_K
        check_definition(definition)
        check_max_k(max_k)
        tally, snapshot = await tallied(self._asking, call, definition)
        found = candidates(tally, max_k) if tally else []
        return TurningPointAnswer(definition, max_k, turning_point(found), found, snapshot)
