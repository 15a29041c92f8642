"""Says for one person how each node of a condition comes out, and on what evidence."""

from dataclasses import replace
from typing import NamedTuple

from siyu_analytics.app.asking import Asking, Call
from siyu_analytics.app.ports import Snapshot
from siyu_analytics.domain.binder import Basis, Binder
from siyu_analytics.domain.checks import require
from siyu_analytics.domain.condition import Condition, check_condition, walk
from siyu_analytics.domain.explain import (
    Outcome,
    evidence_query,
    found_text,
    node_texts,
    outcomes_query,
)
from siyu_analytics.domain.scope import Scope, check_scope


class ExplainAnswer(NamedTuple):
    """The outcome of every node."""

    scope: Scope
    outcomes: list[Outcome]
    snapshot: Snapshot

    @property
    def member(self) -> bool:
        """Whether the person is in the audience."""
        return self.outcomes[0].holds


class ExplainAudience:
    """The use case."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def __call__(
        self, call: Call, condition: Condition, person_no: int, scope: Scope
    ) -> ExplainAnswer:
        scope = scope.filled(self._asking.clock.now_ms())
        check_scope(scope, "scope")
        check_condition(condition)
        require(person_no > 0, "person_no", "above 0")
        call = replace(call, only_person=person_no)
        basis, snapshot = await self._asking.basis(call, scope.as_of_ms, scope.zone)
        query = outcomes_query(Binder(basis), condition)
        (row,) = await self._asking.rows(query, call)
        outcomes = []
        texts = node_texts(condition)
        for node in walk(condition):
            found, times = await self._evidence(call, basis, node.condition)
            holds = bool(row["holds"][node.number])
            place = (node.number, node.parent, texts[node.number])
            outcomes.append(Outcome(*place, holds, found, times))
        return ExplainAnswer(scope, outcomes, snapshot)

    async def _evidence(self, call: Call, basis: Basis, leaf: Condition) -> tuple[str, list[int]]:
        query = evidence_query(Binder(basis), leaf)
        if query is None:
            return "", []
        rows = await self._asking.rows(query, call)
        if not rows:
            return found_text(leaf, 0, ""), []
        return found_text(leaf, rows[0]["number"], rows[0]["value"]), rows[0]["times"]
