"""What the result cache holds and spares, for the metrics."""

from collections.abc import Sequence

from siyu_analytics.app.result_cache import ResultCache
from siyu_kit import metric_defs
from siyu_kit.vitals import Probe, Reading


def cache_probe(results: ResultCache) -> Probe:
    """Answers by where they came from, bytes that are kept, and the bound."""

    async def look() -> Sequence[Reading]:
        counts = {"asked": results.misses, "kept": results.hits, "joined": results.joined}
        return [
            Reading(metric_defs.ANSWERS_KEPT, results.kept.size),
            Reading(metric_defs.ANSWERS_KEPT_LIMIT, results.kept.most_bytes),
            *(
                Reading(metric_defs.ANSWERS, count, {"outcome": outcome})
                for outcome, count in counts.items()
            ),
        ]

    return look
