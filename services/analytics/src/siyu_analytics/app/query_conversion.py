"""Answers a question about conversion by how often a behaviour was shown."""

from collections.abc import Sequence
from typing import NamedTuple

from siyu_analytics.app.asking import Asking, Call
from siyu_analytics.app.ports import Snapshot
from siyu_analytics.domain.binder import Binder
from siyu_analytics.domain.conversion import (
    Bucket,
    Definition,
    Tally,
    buckets,
    check_bounds,
    check_definition,
    tally_query,
)


class ConversionAnswer(NamedTuple):
    """The numbers."""

    definition: Definition
    buckets: list[Bucket]
    snapshot: Snapshot


class QueryConversion:
    """The use case."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def __call__(
        self, call: Call, definition: Definition, bounds: Sequence[int]
    ) -> ConversionAnswer:
        definition = definition.filled(self._asking.clock.now_ms())
        check_definition(definition)
        check_bounds(bounds)
        tally, snapshot = await tallied(self._asking, call, definition)
        return ConversionAnswer(definition, buckets(tally, bounds), snapshot)


async def tallied(
    asking: Asking, call: Call, definition: Definition
) -> tuple[dict[int, Tally], Snapshot]:
    """Persons and converted by number of times."""
    scope = definition.scope
    basis, snapshot = await asking.basis(call, scope.as_of_ms, scope.zone)
    rows = await asking.rows(tally_query(Binder(basis), definition), call)
    return {row["shown"]: Tally(row["persons"], row["converted"]) for row in rows}, snapshot
