"""How busy the engines are, for the metrics."""

from collections.abc import Sequence

from siyu_analytics.engine.pooled import PooledEngine
from siyu_kit import metric_defs
from siyu_kit.vitals import Probe, Reading


def engine_probe(*engines: PooledEngine) -> Probe:
    """Statements under way and the bound, of each engine."""

    async def look() -> Sequence[Reading]:
        return [
            reading
            for engine in engines
            for reading in (
                Reading(metric_defs.ENGINE_STATEMENTS, engine.admitted, {"engine": engine.name}),
                Reading(metric_defs.ENGINE_LIMIT, engine.most_admitted, {"engine": engine.name}),
            )
        ]

    return look
