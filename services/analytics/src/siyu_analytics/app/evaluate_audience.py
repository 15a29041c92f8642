"""Gives the set of persons for whom a condition holds."""

from typing import NamedTuple

from pyroaring import BitMap

from siyu_analytics.app.asking import Asking, Call
from siyu_analytics.app.ports import Snapshot
from siyu_analytics.app.sets import from_numbers
from siyu_analytics.domain.audience import audience_query
from siyu_analytics.domain.binder import Binder
from siyu_analytics.domain.condition import Condition, check_condition
from siyu_analytics.domain.scope import Scope, check_scope


class AudienceAnswer(NamedTuple):
    """The set."""

    scope: Scope
    members: BitMap
    population: int
    snapshot: Snapshot


class EvaluateAudience:
    """The use case."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def __call__(self, call: Call, condition: Condition, scope: Scope) -> AudienceAnswer:
        scope = scope.filled(self._asking.clock.now_ms())
        check_scope(scope, "scope")
        check_condition(condition)
        basis, snapshot = await self._asking.basis(call, scope.as_of_ms, scope.zone)
        query = audience_query(Binder(basis), condition)
        numbers, rest = await self._asking.numbers(query, call)
        return AudienceAnswer(scope, from_numbers(numbers), rest["population"], snapshot)
